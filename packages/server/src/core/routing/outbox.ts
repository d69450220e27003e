import type { Seq } from "../ports/engine.ts";

/**
 * The numbers of the records that match one effective filter, kept while some session that holds the filter is behind.
 * Shared by all of them: a message costs one entry, however many sessions wait for it (semantics.md §2.5).
 * Entries are addressed by an index that never changes; the oldest go by `trim`.
 */
export class Outbox {
  readonly kind = "outbox";
  readonly filter: string;
  /** How many readers hold the filter. */
  readonly readers: Set<OutboxReader> = new Set();
  /** How many of them are behind: with none, nothing is noted. */
  #behind = 0;
  #seqs: Seq[] = [];
  #head = 0;
  #start = 0;

  constructor(filter: string) {
    this.filter = filter;
  }

  /** What a session had waiting when it stopped collecting: in no tree, and nothing is added. */
  static frozen(seqs: readonly Seq[]): Outbox {
    const outbox = new Outbox("");
    outbox.#seqs = [...seqs];
    return outbox;
  }

  /** The index of the oldest entry. */
  get start(): number {
    return this.#start;
  }

  /** The index that the next entry will get. */
  get end(): number {
    return this.#start + this.#seqs.length - this.#head;
  }

  /** Called for each record that matches, in the order of the log. */
  note(seq: Seq): void {
    if (this.#behind > 0) this.#seqs.push(seq);
  }

  at(index: number): Seq {
    const seq = this.#seqs[index - this.#start + this.#head];
    if (seq === undefined) throw new RangeError(`outbox ${this.filter} has no entry ${index}`);
    return seq;
  }

  /** The index of the first entry above `seq`. */
  indexAfter(seq: Seq): number {
    let low = this.#start;
    let high = this.end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.at(middle) <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  fallBehind(): void {
    this.#behind += 1;
  }

  catchUp(): void {
    this.#behind -= 1;
  }

  /** Forgets what no reader that is behind needs any longer. */
  trim(): void {
    let needed = this.end;
    for (const reader of this.readers) {
      if (reader.isBehind && reader.index < needed) needed = reader.index;
    }
    this.#head += needed - this.#start;
    this.#start = needed;
    if (this.#head > 1_024 && this.#head * 2 > this.#seqs.length) {
      this.#seqs = this.#seqs.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Adds what is still named here to a set: the log has to keep it. */
  collect(into: Set<Seq>): void {
    for (let index = this.#head; index < this.#seqs.length; index += 1) into.add(this.#seqs[index] as Seq);
  }
}

/** One reader's place in one outbox. */
export interface OutboxReader {
  readonly outbox: Outbox;
  /** Where it reads on; meaningful while it is behind. */
  index: number;
  isBehind: boolean;
  /** How many of the reader's subscriptions hold the filter. */
  holds: number;
}
