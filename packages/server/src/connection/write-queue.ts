import type { Counters } from "../core/ports/telemetry.ts";
import type { ByteStream } from "../core/ports/byte-stream.ts";
import { MAX_SLAB_BYTES } from "./slab-pool.ts";
import type { SlabPool } from "./slab-pool.ts";
import type { Flushable, TurnScheduler } from "./turn-scheduler.ts";

/** Up to this size bytes are copied into the slab; larger ones are written from where they are. */
export const MAX_COPIED_BYTES = 2_048;
/** What waits for a slow reader may keep at most this many times its own size in memory. */
const MAX_PINNED_RATIO = 4;
/** Never written to: `#openParts` replaces it. */
const NO_SLABS: Buffer[] = [];

export interface WriteQueueOptions {
  readonly pool: SlabPool;
  readonly turns: TurnScheduler;
  readonly counters: Counters;
}

export interface QueueOwner {
  /** What waited was handed to the stream, as far as that takes it. */
  flushed(): void;
}

/**
 * The bytes of one turn for one stream, gathered into one write. While the kernel has not taken the last write, the next
 * waits here in filled slabs: so a reader that has stopped costs little more than the bytes that wait for it.
 */
export class WriteQueue implements Flushable {
  readonly #stream: ByteStream;
  readonly #owner: QueueOwner;
  readonly #options: WriteQueueOptions;
  /** Where small pieces are copied to. What is in front of `#start` is part of `#parts` already. */
  #slab: Buffer | undefined;
  #start = 0;
  #end = 0;
  /** What goes before the slab's content, in order: slices of slabs, and what is written by reference. */
  #parts: Uint8Array[] | undefined;
  #partsBytes = 0;
  /** The slabs that `#parts` has slices of, without `#slab`. */
  #fullSlabs: Buffer[] = NO_SLABS;
  /** The slabs that the stream still works on; undefined when it has nothing to do. */
  #lentSlabs: Buffer[] | undefined;
  #isDirty = false;

  constructor(stream: ByteStream, owner: QueueOwner, options: WriteQueueOptions) {
    this.#stream = stream;
    this.#owner = owner;
    this.#options = options;
  }

  /** Bytes that the kernel has not taken. */
  get bytes(): number {
    const waiting = this.#partsBytes + this.#end - this.#start;
    return this.#lentSlabs === undefined ? waiting : waiting + this.#stream.unsentBytes;
  }

  /** True when nothing waits and the kernel has taken everything. */
  get isIdle(): boolean {
    return this.#isEmpty && this.#lentSlabs === undefined;
  }

  get #isEmpty(): boolean {
    return this.#parts === undefined && this.#end === this.#start;
  }

  /** A buffer with room for `size` bytes at `offset`. They count from `commit` on; nothing may come in between. */
  reserve(size: number): Buffer {
    const slab = this.#slab;
    return slab !== undefined && slab.length - this.#end >= size ? slab : this.#grow(size);
  }

  /** Where in the reserved buffer the next bytes go. */
  get offset(): number {
    return this.#end;
  }

  commit(size: number): void {
    this.#end += size;
    this.#markDirty();
  }

  /** Appends bytes that nobody changes any more: by reference when they are many, else as a copy. */
  append(bytes: Uint8Array): void {
    if (bytes.length > MAX_COPIED_BYTES && !this.#pinsTooMuch(bytes)) {
      this.#appendReference(bytes);
      return;
    }
    this.reserve(bytes.length).set(bytes, this.#end);
    this.commit(bytes.length);
  }

  /** Hands everything to the stream, unless that is still at work: then it happens once all is `taken`. */
  flush(): void {
    this.#isDirty = false;
    this.#handOver();
    this.#owner.flushed();
  }

  /** Hands what waits to the stream before the turn's end, unless that is still at work. */
  relieve(): void {
    this.#handOver();
  }

  /** The kernel has taken everything that the stream was given. */
  taken(): void {
    const lent = this.#lentSlabs;
    if (lent === undefined) return;
    this.#lentSlabs = undefined;
    this.#giveBack(lent);
    this.flush();
  }

  /** Throws away what waits; the stream is not used again. */
  clear(): void {
    const slab = this.#slab;
    const full = this.#fullSlabs;
    this.#reset();
    this.#giveBack(full);
    if (slab !== undefined) this.#options.pool.giveBack(slab);
    this.#lentSlabs = undefined;
  }

  #markDirty(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    this.#options.turns.flushSoon(this);
  }

  #handOver(): void {
    if (this.#lentSlabs !== undefined || this.#isEmpty) return;
    if (this.#parts === undefined) this.#writeSlab();
    else this.#writeParts(this.#parts);
  }

  #writeSlab(): void {
    const slab = this.#slab!;
    const bytes = slab.subarray(0, this.#end);
    this.#reset();
    this.#options.counters.bytesSent += bytes.length;
    if (this.#stream.write(bytes)) this.#options.pool.giveBack(slab);
    else this.#lentSlabs = [slab];
  }

  #writeParts(parts: Uint8Array[]): void {
    this.#closePart(parts);
    const slabs = this.#fullSlabs;
    if (this.#slab !== undefined) slabs.push(this.#slab);
    this.#options.counters.bytesSent += this.#partsBytes;
    this.#reset();
    if (this.#stream.writeAll(parts)) this.#giveBack(slabs);
    else this.#lentSlabs = slabs;
  }

  #reset(): void {
    this.#slab = undefined;
    this.#start = 0;
    this.#end = 0;
    this.#parts = undefined;
    this.#partsBytes = 0;
    this.#fullSlabs = NO_SLABS;
  }

  /** Moves what the slab holds into the parts; what follows goes behind it in the same slab. */
  #closePart(parts: Uint8Array[]): void {
    const size = this.#end - this.#start;
    if (size === 0) return;
    parts.push(this.#slab!.subarray(this.#start, this.#end));
    this.#partsBytes += size;
    this.#start = this.#end;
  }

  #openParts(): Uint8Array[] {
    if (this.#parts === undefined) {
      this.#parts = [];
      this.#fullSlabs = [];
    }
    return this.#parts;
  }

  #appendReference(bytes: Uint8Array): void {
    const parts = this.#openParts();
    this.#closePart(parts);
    parts.push(bytes);
    this.#partsBytes += bytes.length;
    this.#markDirty();
  }

  #pinsTooMuch(bytes: Uint8Array): boolean {
    return this.#lentSlabs !== undefined && bytes.buffer.byteLength > bytes.length * MAX_PINNED_RATIO;
  }

  #grow(size: number): Buffer {
    if (this.#slab === undefined) return this.#useSlab(size);
    if (this.#parts === undefined && this.#end + size <= MAX_SLAB_BYTES) return this.#widen(this.#slab, size);
    if (this.#lentSlabs === undefined) this.#handOver();
    else this.#closeSlab(this.#slab);
    return this.#useSlab(Math.max(size, MAX_SLAB_BYTES));
  }

  #useSlab(size: number): Buffer {
    const slab = this.#options.pool.take(size);
    this.#slab = slab;
    this.#start = 0;
    this.#end = 0;
    return slab;
  }

  #widen(narrow: Buffer, size: number): Buffer {
    const wide = this.#options.pool.take(this.#end + size);
    wide.set(narrow.subarray(0, this.#end));
    this.#options.pool.giveBack(narrow);
    this.#slab = wide;
    return wide;
  }

  #closeSlab(slab: Buffer): void {
    const parts = this.#openParts();
    this.#closePart(parts);
    this.#fullSlabs.push(slab);
    this.#slab = undefined;
  }

  #giveBack(slabs: readonly Buffer[]): void {
    for (const slab of slabs) this.#options.pool.giveBack(slab);
  }
}
