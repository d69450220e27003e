import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Clock, Timer } from "../../core/ports/clock.ts";
import { errorCodeOf } from "./disk/files.ts";
import { StoreError } from "./store-error.ts";

/** Who has the directory. A process is known by more than its id, since ids come again. */
interface LockOwner {
  readonly pid: number;
  /** Ticks from the machine's start to the process', where the system tells. */
  readonly startedAt: string;
  /** Differs after each start of the machine. */
  readonly boot: string;
  /** Containers count their processes on their own. */
  readonly pidNamespace: string;
  readonly nonce: string;
}

/** The holder touches the file this often. */
const beatMs = 1_000;
/** A holder that another container hides is dead when the file has not been touched for so long. */
const silentMs = 5_000;
/** Two that take over a dead one's lock at once: the later replaces the earlier, which sees it after this time. */
const confirmMs = 30;

/** The locks that this process holds. One that it has abandoned is stale, although the process lives. */
const heldHere = new Set<string>();

/**
 * One process has a data directory. Its lock file says which; it is stale when that process is gone, also when its id
 * was given to another one meanwhile.
 */
export class DirectoryLock {
  /** A process that had the directory did not give it back. */
  readonly wasUnclean: boolean;
  readonly #path: string;
  readonly #text: string;
  readonly #onLost: () => void;
  #timer: Timer | undefined;

  private constructor(path: string, text: string, options: { wasUnclean: boolean; onLost: () => void }) {
    this.#path = path;
    this.#text = text;
    this.wasUnclean = options.wasUnclean;
    this.#onLost = options.onLost;
    heldHere.add(text);
  }

  /** Rejects with StoreError `locked`, which tells the process. `onLost`: someone else has taken the directory. */
  static async acquire(directory: string, clock: Clock, onLost: () => void): Promise<DirectoryLock> {
    const path = join(directory, "lock");
    const text = `${JSON.stringify(ownOwner())}\n`;
    if (createLock(path, text))
      return new DirectoryLock(path, text, { wasUnclean: false, onLost }).#beat(clock);
    const found = readText(path);
    if (found !== undefined) await refuseIfAlive(path, found);
    if (found !== readText(path)) throw lockedError(path, readText(path));
    replaceLock(path, text);
    await delay(confirmMs);
    if (readText(path) !== text) throw lockedError(path, readText(path));
    return new DirectoryLock(path, text, { wasUnclean: true, onLost }).#beat(clock);
  }

  /** To be called when the store is closed in good order. */
  release(): void {
    this.abandon();
    if (readText(this.#path) === this.#text) fs.rmSync(this.#path, { force: true });
  }

  /** Leaves the lock there, as a process that was killed does. */
  abandon(): void {
    this.#timer?.cancel();
    heldHere.delete(this.#text);
  }

  #beat(clock: Clock): this {
    this.#timer = clock.after(beatMs, () => {
      const now = new Date();
      try {
        if (readText(this.#path) !== this.#text) return this.#onLost();
        fs.utimesSync(this.#path, now, now);
      } catch {
        // A disk in trouble says so elsewhere.
      }
      this.#beat(clock);
    });
    return this;
  }
}

/**
 * The id of the process that has the directory; undefined: none. Changes nothing. Takes up to 5 s where the id is one of
 * another container.
 */
export async function holderOf(directory: string): Promise<number | undefined> {
  const path = join(directory, "lock");
  const text = readText(path);
  const owner = text === undefined ? undefined : parseOwner(text);
  if (text === undefined || owner === undefined) return undefined;
  return (await isAlive(owner, path, text)) ? owner.pid : undefined;
}

/** Atomic, with the text in it: nobody ever sees an empty lock. */
function createLock(path: string, text: string): boolean {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  fs.writeFileSync(temporary, text, { mode: 0o600 });
  try {
    fs.linkSync(temporary, path);
    return true;
  } catch (error) {
    if (errorCodeOf(error) === "EEXIST") return false;
    throw error;
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

function replaceLock(path: string, text: string): void {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  fs.writeFileSync(temporary, text, { mode: 0o600 });
  fs.renameSync(temporary, path);
}

async function refuseIfAlive(path: string, text: string): Promise<void> {
  const owner = parseOwner(text);
  if (owner !== undefined && (await isAlive(owner, path, text))) throw lockedError(path, text);
}

async function isAlive(owner: LockOwner, path: string, text: string): Promise<boolean> {
  const own = ownOwner();
  if (owner.boot !== own.boot) return false;
  const isOwn = owner.pid === own.pid && owner.pidNamespace === own.pidNamespace;
  if (isOwn && owner.startedAt === own.startedAt && !heldHere.has(text)) return false;
  if (owner.pidNamespace === own.pidNamespace) return startOf(owner.pid) === owner.startedAt;
  return isTouched(path);
}

/** The holder lives where we cannot see its process: does it still touch its lock? */
async function isTouched(path: string): Promise<boolean> {
  const before = fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  const endMs = performance.now() + silentMs;
  while (performance.now() < endMs) {
    await delay(100);
    if (fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs !== before) return true;
  }
  return false;
}

function lockedError(path: string, text: string | undefined): StoreError {
  const pid = text === undefined ? undefined : parseOwner(text)?.pid;
  return new StoreError(
    "locked",
    `the data directory is in use by process ${pid ?? "unknown"} (${path}): stop that process, or use another directory`,
    pid,
  );
}

function ownOwner(): LockOwner {
  return {
    pid: process.pid,
    startedAt: startOf(process.pid) ?? "",
    boot: readText("/proc/sys/kernel/random/boot_id")?.trim() ?? "",
    pidNamespace: readLink("/proc/self/ns/pid"),
    nonce: randomBytes(8).toString("hex"),
  };
}

function parseOwner(text: string): LockOwner | undefined {
  try {
    const owner = JSON.parse(text) as Partial<LockOwner> | null;
    return typeof owner?.pid === "number" && typeof owner.startedAt === "string"
      ? (owner as LockOwner)
      : undefined;
  } catch {
    return undefined;
  }
}

/** When the process started; undefined where there is none. Where the system does not tell, "" for any that lives. */
function startOf(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat !== undefined) {
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  }
  if (fs.existsSync("/proc/self/stat")) return undefined;
  try {
    process.kill(pid, 0);
    return "";
  } catch (error) {
    return errorCodeOf(error) === "EPERM" ? "" : undefined;
  }
}

function readText(path: string): string | undefined {
  try {
    return fs.readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function readLink(path: string): string {
  try {
    return fs.readlinkSync(path);
  } catch {
    return "";
  }
}
