// Keeps node_modules equal to package-lock.json, without asking npm (which takes a second) when nothing changed.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutPath } from "./checkout.mjs";
import { runNpm } from "./run-npm.mjs";

const lockfilePath = join(checkoutPath, "package-lock.json");
const modulesPath = join(checkoutPath, "node_modules");
/** Inside node_modules, so that it goes when they go. bin/weir looks at it too. */
const stampPath = join(modulesPath, ".weir-installed");

/** True when node_modules hold what the lockfile asks for, as far as the stamp knows. */
export function areDependenciesCurrent() {
  return readIfThere(stampPath) === lockfileHash();
}

/**
 * Installs what the lockfile asks for. The caller holds the install lock.
 * @param {import("./progress-line.mjs").ProgressLine} progress
 * @param {string} nodePath
 */
export async function installDependencies(progress, nodePath) {
  if (areInstalledByHand()) return stamp();
  progress.start("Installing the packages that Weir needs");
  rmSync(stampPath, { force: true });
  // No install scripts: nothing here needs one, and older npm would run them unasked.
  await runNpm(["ci", "--ignore-scripts", "--include=dev", "--prefer-offline"], {
    cwd: checkoutPath,
    nodePath,
  });
  stamp();
  progress.done("The packages are installed");
}

/**
 * After `npm install something` the modules are right though the stamp is old. npm keeps its own record of what it
 * installed; when that agrees with the lockfile, wiping node_modules under a running editor or test is not needed.
 */
function areInstalledByHand() {
  const record = readIfThere(join(modulesPath, ".package-lock.json"));
  if (record === undefined) return false;
  const wanted = JSON.parse(readFileSync(lockfilePath, "utf8")).packages;
  const installed = JSON.parse(record).packages;
  const isAsWanted = ([path, entry]) => isSamePackage(wanted[path], entry);
  const isThere = ([path, entry]) =>
    path === "" || entry.optional || (path in installed && existsSync(join(checkoutPath, path)));
  return Object.entries(installed).every(isAsWanted) && Object.entries(wanted).every(isThere);
}

function isSamePackage(wanted, installed) {
  return (
    wanted !== undefined &&
    wanted.version === installed.version &&
    wanted.integrity === installed.integrity &&
    Boolean(wanted.link) === Boolean(installed.link)
  );
}

/** Writes the stamp, also when nothing changed: bin/weir compares its time with that of the lockfile. */
export function stamp() {
  writeFileSync(stampPath, lockfileHash());
}

function lockfileHash() {
  return createHash("sha256").update(readFileSync(lockfilePath)).digest("hex");
}

function readIfThere(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
