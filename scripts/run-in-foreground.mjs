import { spawn } from "node:child_process";
import { constants } from "node:os";
import { environmentFor } from "./run-npm.mjs";

const FORWARDED = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

/**
 * Runs a program in this one's place, as far as Node 18 can: same terminal, same signals, same exit code.
 * @param {string} nodePath
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [extraEnvironment]
 * @returns {Promise<number>} the exit code, 128 + n if a signal ended it
 */
export function runInForeground(nodePath, args, extraEnvironment = {}) {
  const env = { ...environmentFor(nodePath), ...extraEnvironment };
  const child = spawn(nodePath, args, { stdio: "inherit", env });
  const forward = (/** @type {NodeJS.Signals} */ signal) => {
    // A terminal sends Ctrl-C to the whole foreground group: the child has it already, and twice may mean "at once".
    if (signal === "SIGINT" && process.stdin.isTTY) return;
    child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      for (const forwarded of FORWARDED) process.removeListener(forwarded, forward);
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
    });
  });
}
