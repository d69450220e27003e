// Makes a fresh clone ready: the right Node, and the packages of the lockfile. Runs on Node 18 and has no dependency,
// because it is what runs before there is anything else.
import { BootstrapError } from "./bootstrap-error.mjs";
import { withInstallLock } from "./install-lock.mjs";
import { findNode, installNode } from "./node-runtime.mjs";
import { ProgressLine } from "./progress-line.mjs";
import { areDependenciesCurrent, installDependencies } from "./workspace-dependencies.mjs";

/**
 * Installs what is missing, and nothing when nothing is.
 * @returns {Promise<string>} the path of the Node to run Weir with
 * @throws {BootstrapError} with what to do
 */
async function bootstrap() {
  const nodePath = findNode();
  if (nodePath && areDependenciesCurrent()) return nodePath;
  const progress = new ProgressLine();
  try {
    return await withInstallLock(progress, () => installMissing(progress));
  } finally {
    progress.stop();
  }
}

/** Looks again first: the process that held the lock before may have done the work. */
async function installMissing(progress) {
  const nodePath = findNode() ?? (await installNode(progress));
  if (!areDependenciesCurrent()) await installDependencies(progress, nodePath);
  return nodePath;
}

/**
 * Runs a script's main function, and turns its failure into an exit code and words for the person who started it.
 * @param {(nodePath: string) => Promise<number>} main receives the right Node, resolves to the exit code
 */
export async function runBootstrapped(main) {
  const interrupted = (/** @type {NodeJS.Signals} */ signal) => process.exit(signal === "SIGINT" ? 130 : 143);
  process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
  try {
    const nodePath = await bootstrap();
    process.removeListener("SIGINT", interrupted).removeListener("SIGTERM", interrupted);
    process.exitCode = await main(nodePath);
  } catch (error) {
    if (!(error instanceof BootstrapError)) throw error;
    process.stderr.write(`\n${error.message}\n\n${error.remedy}\n`);
    process.exitCode = 1;
  }
}
