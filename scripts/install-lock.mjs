// Two commands started at once in one checkout must not install into it at once.
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BootstrapError } from "./bootstrap-error.mjs";
import { toolsPath } from "./checkout.mjs";

const POLL_MS = 200;
const WAIT_AT_MOST_MS = 10 * 60_000;
const lockPath = join(toolsPath, "install.lock");

/**
 * Runs `work` while no other process of this checkout runs its own.
 * @template T
 * @param {import("./progress-line.mjs").ProgressLine} progress
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withInstallLock(progress, work) {
  const owner = `${process.pid} ${Date.now()} ${Math.random().toString(36).slice(2)}`;
  mkdirSync(toolsPath, { recursive: true });
  await acquire(owner, progress);
  const release = () => releaseLock(owner);
  process.once("exit", release);
  try {
    return await work();
  } finally {
    process.removeListener("exit", release);
    release();
  }
}

async function acquire(owner, progress) {
  const giveUpAtMs = Date.now() + WAIT_AT_MOST_MS;
  let isWaiting = false;
  while (!tryAcquire(owner)) {
    removeIfAbandoned();
    if (Date.now() > giveUpAtMs) throw stillTaken();
    if (!isWaiting) progress.start("Waiting for another install in this checkout");
    isWaiting = true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  progress.stop();
}

/** A hard link appears with its content or not at all: nobody ever reads a lock without an owner. */
function tryAcquire(owner) {
  const draft = join(toolsPath, `install-${process.pid}.draft`);
  writeFileSync(draft, owner);
  try {
    linkSync(draft, lockPath);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Removes the lock of a process that is gone. Several may find that out together: the marker carries the dead owner's
 * unique name, so only one of them gets it, and reading again under it makes sure that the lock is still the dead one's.
 */
function removeIfAbandoned() {
  const owner = readOwner();
  if (!owner || isAlive(Number.parseInt(owner, 10))) return;
  const marker = join(toolsPath, `install-lock-of-${owner.replaceAll(" ", "-")}`);
  try {
    writeFileSync(marker, "", { flag: "wx" });
  } catch {
    return;
  }
  if (readOwner() === owner) rmSync(lockPath, { force: true });
  rmSync(marker, { force: true });
}

function releaseLock(owner) {
  if (readOwner() === owner) rmSync(lockPath, { force: true });
}

function readOwner() {
  try {
    return readFileSync(lockPath, "utf8");
  } catch {
    return undefined;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return error.code === "EPERM";
  }
}

function stillTaken() {
  return new BootstrapError(
    `Another install in this checkout has not ended (process ${readOwner()?.split(" ")[0] ?? "unknown"}).`,
    `If no such process works on it, delete ${lockPath} and run the same command again.`,
  );
}
