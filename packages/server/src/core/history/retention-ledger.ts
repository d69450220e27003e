import type { Seq } from "../ports/engine.ts";

export interface Retention {
  readonly maxAgeMs: number;
  readonly maxBytes: number;
}

/** Records that follow each other, counted together. */
interface Mark {
  /** The last of them. */
  upTo: Seq;
  oldestMs: number;
  newestMs: number;
  bytes: number;
  count: number;
}

/** A mark is closed at so many records, or at this part of what is retained: by so little more than asked may go at once. */
const markRecords = 256;
const markShare = 1 / 64;

/** What a history has, in marks of a few hundred records: when it was published and how much it is, not what it is. */
export class RetentionLedger {
  readonly #retention: Retention;
  #marks: Mark[] = [];
  #head = 0;
  #bytes = 0;

  constructor(retention: Retention) {
    this.#retention = retention;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Records come in the order of their numbers. */
  note(seq: Seq, bytes: number, atMs: number): void {
    let mark = this.#marks.at(-1);
    if (!mark || this.#marks.length === this.#head || this.#isFull(mark)) {
      mark = { upTo: seq, oldestMs: atMs, newestMs: atMs, bytes: 0, count: 0 };
      this.#marks.push(mark);
    }
    mark.upTo = seq;
    mark.newestMs = Math.max(mark.newestMs, atMs);
    mark.oldestMs = Math.min(mark.oldestMs, atMs);
    mark.bytes += bytes;
    mark.count += 1;
    this.#bytes += bytes;
  }

  /** Lets go what is too old or too much; returns the last number that went, and its time, if any did. */
  trim(nowMs: number): { readonly seq: Seq; readonly atMs: number } | undefined {
    let last: { seq: Seq; atMs: number } | undefined;
    for (let mark = this.#marks[this.#head]; mark; mark = this.#marks[this.#head]) {
      if (mark.newestMs > nowMs - this.#retention.maxAgeMs && this.#bytes <= this.#retention.maxBytes) break;
      this.#bytes -= mark.bytes;
      last = { seq: mark.upTo, atMs: mark.newestMs };
      this.#head += 1;
    }
    this.#compact();
    return last;
  }

  /** A number after which every record of that time or later lies; undefined: before all that is left. */
  before(atMs: number): Seq | undefined {
    let before: Seq | undefined;
    for (let index = this.#head; index < this.#marks.length; index += 1) {
      const mark = this.#marks[index] as Mark;
      if (mark.newestMs >= atMs) return before;
      before = mark.upTo;
    }
    return before;
  }

  #isFull({ count, bytes, oldestMs, newestMs }: Mark): boolean {
    const { maxAgeMs, maxBytes } = this.#retention;
    return (
      count >= markRecords || bytes >= maxBytes * markShare || newestMs - oldestMs >= maxAgeMs * markShare
    );
  }

  #compact(): void {
    if (this.#head < 1_024 || this.#head * 2 < this.#marks.length) return;
    this.#marks = this.#marks.slice(this.#head);
    this.#head = 0;
  }
}
