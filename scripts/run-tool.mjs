import { spawn } from "node:child_process";
import { join } from "node:path";
import { checkoutPath } from "./checkout.mjs";
import { environmentFor } from "./run-npm.mjs";

/** Where the command of each tool starts; calling it by path leaves PATH and npx out of it. */
const TOOLS = {
  knip: "knip/bin/knip.js",
  oxfmt: "oxfmt/bin/oxfmt",
  oxlint: "oxlint/bin/oxlint",
  tsc: "typescript/bin/tsc",
  vite: "vite/bin/vite.js",
  vitest: "vitest/vitest.mjs",
};

/**
 * Runs a tool of the workspace in the checkout and collects what it says.
 * @param {string} nodePath
 * @param {keyof typeof TOOLS} tool
 * @param {readonly string[]} args
 * @returns {Promise<{ code: number, output: string }>} the code is 1 if a signal ended it
 */
export function runTool(nodePath, tool, args) {
  const file = join(checkoutPath, "node_modules", TOOLS[tool]);
  const env = { ...environmentFor(nodePath), NO_COLOR: "1" };
  const child = spawn(nodePath, [file, ...args], {
    cwd: checkoutPath,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const keep = (chunk) => {
    output += chunk;
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? 1, output }));
  });
}
