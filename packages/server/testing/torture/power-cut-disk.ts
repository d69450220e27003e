import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Random } from "../random.ts";
import type { DiskOperation } from "./disk-journal.ts";

interface Change {
  readonly offset: number;
  /** Undefined: the file's length becomes `offset`. */
  readonly data: Buffer | undefined;
}

interface DiskFile {
  content: Buffer;
  /** Since the last flush. */
  pending: Change[];
}

/** What a name stands for. */
type Named = DiskFile | "directory";

/** Of a directory: names that come and go. */
interface NameChange {
  readonly path: string;
  readonly named: Named | undefined;
}

const SECTOR_BYTES = 512;

/**
 * A disk to which operations are done until the power fails. What was not flushed is kept, dropped or torn at random: of
 * files each write by itself, of directories what came after some moment, as file systems with a journal do.
 */
export class PowerCutDisk {
  readonly #root: string;
  readonly #inodes = new Map<bigint, DiskFile>();
  readonly #live = new Map<string, Named>();
  readonly #durable = new Map<string, Named>();
  /** By directory. */
  readonly #pending = new Map<string, NameChange[]>();

  constructor(root: string) {
    this.#root = root;
  }

  apply(operation: DiskOperation): void {
    switch (operation.kind) {
      case "create":
        return this.#create(operation.path, operation.inode);
      case "write":
        return this.#write(operation);
      case "truncate":
        this.#inodes.get(operation.inode)?.pending.push({ offset: operation.length, data: undefined });
        return;
      case "rename":
        this.#name(operation.to, this.#live.get(operation.from));
        return this.#name(operation.from, undefined);
      case "link":
        return this.#name(operation.to, this.#live.get(operation.from));
      case "unlink":
        return this.#name(operation.path, undefined);
      case "mkdir":
        return this.#name(operation.path, "directory");
      case "flush":
        return this.#flush(operation.path, operation.inode);
    }
  }

  /** The power fails: writes what the next start finds into another directory. */
  cutTo(directory: string, random: Random): void {
    const keeping = random.pick([0, 0.5, 1]);
    for (const changes of this.#pending.values()) {
      for (const change of changes.slice(
        0,
        Math.round(changes.length * (keeping === 0.5 ? random.next() : keeping)),
      )) {
        this.#settleName(change);
      }
    }
    for (const [path, named] of [...this.#durable].toSorted(
      ([left], [right]) => left.length - right.length,
    )) {
      const target = join(directory, relative(this.#root, path));
      if (!existsSync(dirname(target))) continue; // the name of its directory was lost, and all in it
      if (named === "directory") mkdirSync(target, { mode: 0o700 });
      else writeFileSync(target, contentAfter(named, keeping, random), { mode: 0o600 });
    }
  }

  #create(path: string, inode: bigint): void {
    const file: DiskFile = { content: Buffer.alloc(0), pending: [] };
    this.#inodes.set(inode, file);
    this.#name(path, file);
  }

  #write({ inode, offset, data, isDurable }: DiskOperation & { kind: "write" }): void {
    const file = this.#inodes.get(inode);
    if (!file) throw new Error(`a file was written that nobody has made (${offset})`);
    if (isDurable) file.content = changed(file.content, { offset, data });
    else file.pending.push({ offset, data });
  }

  #name(path: string, named: Named | undefined): void {
    if (named) this.#live.set(path, named);
    else this.#live.delete(path);
    const folder = dirname(path);
    this.#pending.set(folder, [...(this.#pending.get(folder) ?? []), { path, named }]);
  }

  #flush(path: string, inode: bigint): void {
    const file = this.#inodes.get(inode);
    if (file && this.#live.get(path) === file) {
      for (const change of file.pending) file.content = changed(file.content, change);
      file.pending = [];
      return;
    }
    for (const change of this.#pending.get(path) ?? []) this.#settleName(change);
    this.#pending.delete(path);
  }

  #settleName({ path, named }: NameChange): void {
    if (named) this.#durable.set(path, named);
    else this.#durable.delete(path);
  }
}

function contentAfter({ content, pending }: DiskFile, keeping: number, random: Random): Buffer {
  let after = content;
  for (const change of pending) {
    if (keeping < 1 && !random.chance(keeping)) continue;
    const isTorn = keeping < 1 && change.data !== undefined && random.chance(0.3);
    const sectors = Math.ceil((change.data?.length ?? 0) / SECTOR_BYTES);
    const data = isTorn ? change.data?.subarray(0, random.below(sectors) * SECTOR_BYTES) : change.data;
    after = changed(after, { ...change, data });
  }
  return after;
}

function changed(content: Buffer, { offset, data }: Change): Buffer {
  const end = data === undefined ? offset : Math.max(content.length, offset + data.length);
  const after = Buffer.alloc(end);
  content.copy(after, 0, 0, end);
  data?.copy(after, offset);
  return after;
}
