import * as fs from "node:fs/promises";
import { dirname, join } from "node:path";
import { nodeFiles } from "./disk/node-files.ts";
import type { LogLimits } from "./log/log-limits.ts";
import { statStore } from "./store-tools.ts";

/** A backup on the disk. */
export interface StoredBackup {
  readonly id: string;
  readonly bytes: number;
  /** False while it is being made, and for what a crash left of one. */
  readonly isComplete: boolean;
}

/** What can be copied while it is in use. */
export interface BackupSource {
  readonly epoch: string;
  backup(target: string): Promise<void>;
}

const unfinished = ".unfinished";

/**
 * The backups of one store, each a directory of its own in one directory. A backup has its name only when all of it is
 * on the disk. Complete segments of the log are shared with the store where both are on one disk (hard links).
 */
export class BackupFolder {
  readonly #source: BackupSource;
  readonly #storeDirectory: string;
  readonly #directory: string;
  readonly #limits: Pick<LogLimits, "segmentBytes" | "reserveBytes">;

  constructor(options: {
    source: BackupSource;
    storeDirectory: string;
    directory: string;
    limits: Pick<LogLimits, "segmentBytes" | "reserveBytes">;
  }) {
    this.#source = options.source;
    this.#storeDirectory = options.storeDirectory;
    this.#directory = options.directory;
    this.#limits = options.limits;
  }

  /** Of the store. */
  get epoch(): string {
    return this.#source.epoch;
  }

  /** What a backup will hold, about. */
  async expectedBytes(): Promise<number> {
    const { tenants, controlBytes } = await statStore(this.#storeDirectory);
    return tenants.reduce((sum, { bytes }) => sum + bytes, controlBytes);
  }

  /** How much more must be free for a backup to leave the reserve alone; 0: there is room. */
  async missingBytes(): Promise<number> {
    await nodeFiles.makeDirectory(this.#directory);
    const [target, store] = await Promise.all([fs.stat(this.#directory), fs.stat(this.#storeDirectory)]);
    const { tenants, controlBytes } = await statStore(this.#storeDirectory);
    const { segmentBytes, reserveBytes } = this.#limits;
    const logBytes = tenants.reduce(
      (sum, { bytes }) => sum + (target.dev === store.dev ? Math.min(bytes, segmentBytes) : bytes),
      0,
    );
    const freeBytes = await nodeFiles.freeBytes(this.#directory);
    return Math.max(0, logBytes + controlBytes + reserveBytes - freeBytes);
  }

  /**
   * Resolves when the backup is complete and on the disk; what earlier ones left unfinished is removed. One at a time.
   * Rejects with the system's error, or StoreError where there is one of this id.
   */
  async make(id: string): Promise<void> {
    await nodeFiles.makeDirectory(this.#directory);
    for (const name of await nodeFiles.list(this.#directory))
      if (name.endsWith(unfinished)) await this.#remove(name);
    const target = join(this.#directory, `${id}${unfinished}`);
    try {
      await this.#source.backup(target);
      await nodeFiles.rename(target, join(this.#directory, id));
    } catch (error) {
      await this.#remove(`${id}${unfinished}`);
      throw error;
    }
    await nodeFiles.flushDirectory(this.#directory);
    await nodeFiles.flushDirectory(dirname(this.#directory));
  }

  /** In the order of their ids. */
  async list(): Promise<readonly StoredBackup[]> {
    const found: StoredBackup[] = [];
    for (const name of (await nodeFiles.list(this.#directory)).toSorted()) {
      const isComplete = !name.endsWith(unfinished);
      const id = isComplete ? name : name.slice(0, -unfinished.length);
      const bytes = await bytesBelow(join(this.#directory, name));
      if (bytes !== undefined) found.push({ id, bytes, isComplete });
    }
    return found;
  }

  #remove(name: string): Promise<void> {
    return fs.rm(join(this.#directory, name), { recursive: true, force: true });
  }
}

/** Undefined: it is gone, or no directory. Counts shared files as if they were its own. */
async function bytesBelow(directory: string): Promise<number | undefined> {
  try {
    const entries = await fs.readdir(directory, { withFileTypes: true, recursive: true });
    const sizes = entries.map(async (entry) => {
      const stats = await fs.lstat(join(entry.parentPath, entry.name));
      return stats.isFile() ? stats.size : 0;
    });
    return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
  } catch {
    return undefined;
  }
}
