import { dirname } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Files, OpenFile } from "../src/engine/embedded/disk/files.ts";

interface PendingWrite {
  readonly position: number;
  /** Undefined: the file ends at the position. */
  readonly bytes: Buffer | undefined;
}

interface Inode {
  /** As after the last flush. */
  durable: Buffer;
  current: Buffer;
  pending: PendingWrite[];
}

interface PendingName {
  readonly path: string;
  /** Undefined: the name goes. */
  readonly inode: Inode | undefined;
}

export type DiskOperation =
  | "write"
  | "flush"
  | "truncate"
  | "rename"
  | "unlink"
  | "flushDirectory"
  | "open"
  | "read";

interface PlannedFault {
  readonly operation: DiskOperation;
  readonly code: string;
  times: number;
}

const sectorBytes = 512;

/**
 * A disk in memory that can lose its power: what was written and not flushed is then there, gone or torn, as chance
 * says, sector by sector and in any order; names that were changed and whose directory was not flushed, too.
 */
export class SimulatedDisk implements Files {
  readonly #names: Map<string, Inode>;
  readonly #durableNames: Map<string, Inode>;
  /** Those of one operation are kept or lost together. */
  readonly #pendingNames: (readonly PendingName[])[] = [];
  readonly #faults: PlannedFault[] = [];
  /** Bytes; what does not fit is refused with ENOSPC, after as much as fits was written. */
  capacityBytes = Infinity;
  /** Called before and after each change. */
  onChange: (() => void) | undefined;

  constructor(files: ReadonlyMap<string, Buffer> = new Map()) {
    this.#names = new Map();
    for (const [path, bytes] of files)
      this.#names.set(path, { durable: Buffer.from(bytes), current: Buffer.from(bytes), pending: [] });
    this.#durableNames = new Map(this.#names);
  }

  /** Path to content, as a process sees it. */
  get content(): Map<string, Buffer> {
    return new Map([...this.#names].map(([path, inode]) => [path, Buffer.from(inode.current)]));
  }

  get usedBytes(): number {
    let bytes = 0;
    for (const inode of this.#names.values()) bytes += inode.current.length;
    return bytes;
  }

  /** The next so many operations of the kind fail. */
  fail(operation: DiskOperation, code: string, times = 1): void {
    this.#faults.push({ operation, code, times });
  }

  /** What another process finds when this one is killed now. */
  killed(): SimulatedDisk {
    return new SimulatedDisk(this.content);
  }

  /** What is found after the power went now. `random` gives numbers from 0 to 1. */
  cut(random: () => number): SimulatedDisk {
    const names = new Map(this.#durableNames);
    const isJournal = random() < 0.5;
    const kept = Math.floor(random() * (this.#pendingNames.length + 1));
    for (const [index, changes] of this.#pendingNames.entries()) {
      const isKept = isJournal ? index < kept : random() < 0.5;
      if (isKept) for (const { path, inode } of changes) setName(names, path, inode);
    }
    return new SimulatedDisk(new Map([...names].map(([path, inode]) => [path, cutContent(inode, random)])));
  }

  async open(path: string, mode: "read" | "write"): Promise<OpenFile> {
    await this.#begin("open");
    let inode = this.#names.get(path);
    if (inode === undefined) {
      if (mode === "read") throw systemError("ENOENT", path);
      inode = { durable: Buffer.alloc(0), current: Buffer.alloc(0), pending: [] };
      this.#name(path, inode);
    }
    return this.#file(path, inode);
  }

  async list(directory: string): Promise<readonly string[]> {
    const inside = [...this.#names.keys()].filter((path) => path.startsWith(`${directory}/`));
    return [...new Set(inside.map((path) => path.slice(directory.length + 1).split("/")[0]!))];
  }

  async makeDirectory(): Promise<void> {}

  async removeDirectory(): Promise<void> {}

  async rename(from: string, to: string): Promise<void> {
    await this.#begin("rename");
    const inode = this.#names.get(from);
    if (inode === undefined) throw systemError("ENOENT", from);
    // Atomic: one entry of the journal.
    this.#names.delete(from);
    this.#names.set(to, inode);
    this.#pendingNames.push([
      { path: to, inode },
      { path: from, inode: undefined },
    ]);
    this.onChange?.();
  }

  async link(from: string, to: string): Promise<void> {
    await this.#begin("rename");
    const inode = this.#names.get(from);
    if (inode === undefined) throw systemError("ENOENT", from);
    this.#name(to, inode);
  }

  async unlink(path: string): Promise<void> {
    await this.#begin("unlink");
    if (this.#names.has(path)) this.#name(path, undefined);
  }

  async flushDirectory(path: string): Promise<void> {
    await this.#begin("flushDirectory");
    for (let index = 0; index < this.#pendingNames.length; index++) {
      const changes = this.#pendingNames[index]!;
      if (dirname(changes[0]!.path) !== path) continue;
      for (const change of changes) setName(this.#durableNames, change.path, change.inode);
      this.#pendingNames.splice(index, 1);
      index -= 1;
    }
    this.onChange?.();
  }

  async freeBytes(): Promise<number> {
    return this.capacityBytes - this.usedBytes;
  }

  #file(path: string, inode: Inode): OpenFile {
    return {
      path,
      write: async (chunks, position) => {
        await this.#begin("write");
        const bytes = Buffer.concat(chunks);
        const room = this.capacityBytes - this.usedBytes - Math.max(0, position - inode.current.length);
        const fitting = Math.min(
          bytes.length,
          Math.max(0, room + Math.max(0, inode.current.length - position)),
        );
        change(inode, { position, bytes: bytes.subarray(0, fitting) });
        this.onChange?.();
        if (fitting < bytes.length) throw systemError("ENOSPC", path);
      },
      read: async (into, position) => {
        await this.#begin("read");
        return inode.current.copy(into, 0, position, position + into.byteLength);
      },
      flush: async () => {
        const flushed = inode.pending.length;
        await this.#begin("flush");
        const durable = { durable: inode.durable, current: inode.durable, pending: [] };
        for (const write of inode.pending.slice(0, flushed)) change(durable, write);
        inode.durable = durable.current;
        inode.pending.splice(0, flushed);
        this.onChange?.();
      },
      truncate: async (length) => {
        await this.#begin("truncate");
        change(inode, { position: length, bytes: undefined });
        this.onChange?.();
      },
      size: async () => inode.current.length,
      close: async () => undefined,
    };
  }

  #name(path: string, inode: Inode | undefined): void {
    setName(this.#names, path, inode);
    this.#pendingNames.push([{ path, inode }]);
    this.onChange?.();
  }

  async #begin(operation: DiskOperation): Promise<void> {
    this.onChange?.();
    await nextTurn();
    const index = this.#faults.findIndex((fault) => fault.operation === operation);
    const fault = this.#faults[index];
    if (fault === undefined) return;
    fault.times -= 1;
    if (fault.times <= 0) this.#faults.splice(index, 1);
    throw systemError(fault.code, operation);
  }
}

function change(inode: Inode, write: PendingWrite): void {
  inode.pending.push(write);
  inode.current = applied(inode.current, write);
}

function applied(content: Buffer, { position, bytes }: PendingWrite): Buffer {
  if (bytes === undefined) {
    const cut = Buffer.alloc(position);
    content.copy(cut);
    return cut;
  }
  const end = position + bytes.length;
  const longer =
    end > content.length
      ? Buffer.concat([content, Buffer.alloc(end - content.length)])
      : Buffer.from(content);
  bytes.copy(longer, position);
  return longer;
}

function cutContent(inode: Inode, random: () => number): Buffer {
  let content = inode.durable;
  for (const write of inode.pending) {
    const chance = random();
    if (chance < 0.3) content = applied(content, write);
    else if (chance < 0.7 && write.bytes !== undefined)
      content = torn(content, write.bytes, write.position, random);
  }
  return content;
}

function torn(content: Buffer, bytes: Buffer, position: number, random: () => number): Buffer {
  const sectors = sectorBytes >> Math.floor(random() * 7);
  let result = content;
  for (let from = 0; from < bytes.length; from += sectors) {
    if (random() < 0.5) continue;
    result = applied(result, { position: position + from, bytes: bytes.subarray(from, from + sectors) });
  }
  return result;
}

function setName(names: Map<string, Inode>, path: string, inode: Inode | undefined): void {
  if (inode === undefined) names.delete(path);
  else names.set(path, inode);
}

function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

/** Mulberry32: small, and the same numbers for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
