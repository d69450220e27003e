import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { checkoutPath } from "./checkout.mjs";
import { runTool } from "./run-tool.mjs";

const fleetPath = join(checkoutPath, "examples", "fleet");
const webPath = join(fleetPath, "web");
const builtPath = join(webPath, "dist", "index.html");

/** What the built pages are made of. */
const SOURCES = ["src", "public", "index.html", "package.json", "vite.config.ts"].map((name) =>
  join(webPath, name),
);
const CONTRACT = join(fleetPath, "src", "contract");

/**
 * Builds the fleet's web application if its sources are newer than what is built.
 * @param {string} nodePath
 * @returns {Promise<string | undefined>} what the build said if it failed
 */
export async function buildFleetWeb(nodePath) {
  const newestMs = Math.max(...[...SOURCES, CONTRACT].map(newestIn));
  if (existsSync(builtPath) && statSync(builtPath).mtimeMs >= newestMs) return undefined;
  const { code, output } = await runTool(nodePath, "vite", ["build", "--logLevel", "warn", webPath]);
  return code === 0 ? undefined : output;
}

/**
 * @param {string} path
 * @returns {number} milliseconds since the epoch
 */
function newestIn(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newestIn(join(path, name))));
}
