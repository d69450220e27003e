import type { Seq } from "../ports/engine.ts";
import type { Outbox, OutboxReader } from "./outbox.ts";

/** No topic filter is empty. */
const frozenKey = "";

/** Where outboxes come from and go to; the router. */
export interface OutboxSource {
  openOutbox(filter: string): Outbox;
  closeOutbox(outbox: Outbox): void;
  /** An outbox with these entries that belongs to one reader alone. */
  openFrozen(seqs: readonly Seq[]): Outbox;
  /** The last record that every live reader has been offered. */
  readonly tailSeq: Seq;
}

/**
 * A cursor over the log through a set of outboxes: what a persistent session, or a share group with one, has still to
 * get. `live`: it takes each record as the log's tail brings it. `behind`: the records wait in the outboxes.
 */
export class LogReader {
  readonly #source: OutboxSource;
  readonly #readers = new Map<string, OutboxReader>();
  #isLive = false;
  /** Everything up to here was taken (meaningful while behind). */
  #takenUpTo: Seq;

  constructor(source: OutboxSource, takenUpTo: Seq) {
    this.#source = source;
    this.#takenUpTo = takenUpTo;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  /** The cursor to save: with `inFlight` as its only exceptions, everything up to here was taken. */
  get position(): Seq {
    return this.#isLive ? this.#source.tailSeq : this.#takenUpTo;
  }

  /**
   * How many entries wait; a record that several filters name counts once for each. After a restart an outbox is filled
   * from the oldest cursor of all: what this reader has taken is no part of it.
   */
  get waiting(): number {
    if (this.#isLive) return 0;
    let count = 0;
    for (const reader of this.#readers.values()) {
      this.#skipTaken(reader);
      count += reader.outbox.end - reader.index;
    }
    return count;
  }

  /** Adds a filter, from the log's present tail on (or, for recovery, from `after`). */
  hold(filter: string, after?: Seq): void {
    const known = this.#readers.get(filter);
    if (known) {
      known.holds += 1;
      return;
    }
    const outbox = this.#source.openOutbox(filter);
    const reader: OutboxReader = { outbox, index: 0, isBehind: !this.#isLive, holds: 1 };
    outbox.readers.add(reader);
    if (reader.isBehind) outbox.fallBehind();
    reader.index = after === undefined ? outbox.end : outbox.indexAfter(after);
    this.#readers.set(filter, reader);
  }

  /** Stops collecting by a filter; what waits by it already is still to be taken. */
  retire(filter: string): void {
    const reader = this.#readers.get(filter);
    if (!reader) return;
    const waiting = this.#isLive || reader.holds > 1 ? [] : this.#waitingIn(reader);
    this.drop(filter);
    this.#keep(waiting);
  }

  /** Stops collecting by a filter, and forgets what waits by it alone. */
  drop(filter: string): void {
    const reader = this.#readers.get(filter);
    if (!reader) return;
    reader.holds -= 1;
    if (reader.holds > 0) return;
    this.#readers.delete(filter);
    this.#leave(reader);
  }

  /** From the record after `takenUpTo` on, everything waits in the outboxes. */
  fallBehind(takenUpTo: Seq): void {
    if (!this.#isLive) return;
    this.#isLive = false;
    this.#takenUpTo = takenUpTo;
    for (const reader of this.#readers.values()) {
      reader.isBehind = true;
      reader.index = reader.outbox.end;
      reader.outbox.fallBehind();
    }
  }

  /** The next numbers to take, lowest first, at most `limit`. Empty: nothing waits. */
  peek(limit: number): Seq[] {
    const found: Seq[] = [];
    let contributors = 0;
    for (const reader of this.#readers.values()) {
      this.#skipTaken(reader);
      const to = Math.min(reader.outbox.end, reader.index + limit);
      if (to > reader.index) contributors += 1;
      for (let index = reader.index; index < to; index += 1) found.push(reader.outbox.at(index));
    }
    if (contributors < 2) return found;
    found.sort((a, b) => a - b);
    return found.filter((seq, index) => seq !== found[index - 1]).slice(0, limit);
  }

  /** Says that everything up to `seq` was taken. */
  take(seq: Seq): void {
    if (seq > this.#takenUpTo) this.#takenUpTo = seq;
  }

  /** Nothing waits: from now on records come from the tail. The caller has just seen `peek` return nothing. */
  goLive(): void {
    this.drop(frozenKey);
    this.#isLive = true;
    for (const reader of this.#readers.values()) {
      reader.isBehind = false;
      reader.outbox.catchUp();
    }
  }

  /** Drops the oldest entries until at most `limit` wait; returns how many went. */
  dropOldest(limit: number): number {
    let excess = this.waiting - limit;
    if (excess <= 0) return 0;
    const before = excess;
    while (excess > 0) {
      const oldest = this.peek(Math.min(excess, 1_000));
      const last = oldest.at(-1);
      if (last === undefined) break;
      this.take(last);
      excess = this.waiting - limit;
    }
    return before;
  }

  /**
   * Stops collecting, and keeps what waits (up to `last`): what becomes of a session whose principal was deleted,
   * disabled or revoked (semantics.md §1.9).
   */
  freeze(last: Seq = this.#source.tailSeq): void {
    this.fallBehind(this.#source.tailSeq);
    const waiting = this.peek(Number.MAX_SAFE_INTEGER).filter((seq) => seq <= last);
    this.close();
    this.#keep(waiting);
  }

  close(): void {
    for (const reader of this.#readers.values()) this.#leave(reader);
    this.#readers.clear();
  }

  /** Numbers that wait in none of the outboxes that collect. */
  #keep(seqs: readonly Seq[]): void {
    if (seqs.length === 0) return;
    const kept = this.#readers.get(frozenKey);
    const all = kept ? [...new Set([...this.#waitingIn(kept), ...seqs])].sort((a, b) => a - b) : seqs;
    this.drop(frozenKey);
    const outbox = this.#source.openFrozen(all);
    const reader: OutboxReader = { outbox, index: outbox.start, isBehind: true, holds: 1 };
    outbox.readers.add(reader);
    outbox.fallBehind();
    this.#readers.set(frozenKey, reader);
  }

  #waitingIn(reader: OutboxReader): Seq[] {
    this.#skipTaken(reader);
    const { outbox, index } = reader;
    return Array.from({ length: outbox.end - index }, (_, offset) => outbox.at(index + offset));
  }

  #skipTaken(reader: OutboxReader): void {
    const { outbox } = reader;
    if (reader.index < outbox.start) reader.index = outbox.start;
    while (reader.index < outbox.end && outbox.at(reader.index) <= this.#takenUpTo) reader.index += 1;
  }

  #leave(reader: OutboxReader): void {
    reader.outbox.readers.delete(reader);
    if (reader.isBehind) reader.outbox.catchUp();
    if (reader.outbox.readers.size === 0) this.#source.closeOutbox(reader.outbox);
  }
}
