import type { LogRecord, Seq, StoredRecord } from "../../core/ports/engine.ts";

export const chunkRecords = 1_024;
/** A chunk with fewer records than this holds only them. */
const sparseRecords = 64;

export interface LogEntry extends StoredRecord {
  record: LogRecord;
  readonly id: string | undefined;
}

/**
 * The records of 1,024 consecutive numbers: by place while most are there, later only the few that are kept, so that a
 * log with one survivor in a thousand does not hold a thousand empty places for it.
 */
export class RecordChunk {
  /** Of all chunks of the log: the first number is `index * chunkRecords`. */
  readonly index: number;
  readonly #base: Seq;
  #entries: (LogEntry | undefined)[] = [];
  #isSparse = false;
  #count = 0;
  /** Nothing is there below this place. */
  #low = 0;

  constructor(index: number) {
    this.index = index;
    this.#base = index * chunkRecords;
  }

  get count(): number {
    return this.#count;
  }

  /** In rising order, and not after `compact`. */
  add(entry: LogEntry): void {
    const index = entry.seq - this.#base;
    while (this.#entries.length < index) this.#entries.push(undefined);
    this.#entries.push(entry);
    this.#count += 1;
  }

  get(seq: Seq): LogEntry | undefined {
    const entry = this.#entries[this.#isSparse ? this.#indexFrom(seq) : seq - this.#base];
    return entry?.seq === seq ? entry : undefined;
  }

  /** The first with that number or a higher one. */
  firstFrom(seq: Seq): LogEntry | undefined {
    for (let index = this.#indexFrom(seq); index < this.#entries.length; index++) {
      const entry = this.#entries[index];
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  remove(seq: Seq): void {
    const index = this.#indexFrom(seq);
    if (this.#entries[index]?.seq !== seq) return;
    this.#count -= 1;
    if (this.#isSparse) {
      this.#entries.splice(index, 1);
      return;
    }
    this.#entries[index] = undefined;
    while (this.#low < this.#entries.length && this.#entries[this.#low] === undefined) this.#low += 1;
  }

  /** For a chunk that nothing is added to any longer. */
  compact(): void {
    if (this.#isSparse || this.#count >= sparseRecords) return;
    this.#entries = this.#entries.filter((entry) => entry !== undefined);
    this.#isSparse = true;
    this.#low = 0;
  }

  #indexFrom(seq: Seq): number {
    if (!this.#isSparse) return Math.max(seq - this.#base, this.#low);
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle]!.seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
