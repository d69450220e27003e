import type { Seq } from "../ports/engine.ts";
import type { OutboxReader } from "./outbox.ts";
import type { QueueSize } from "./outbox-chunk.ts";
import { isWithin, type QueueBounds } from "./queue-bounds.ts";
import { ReaderCursor, type SavedDrops } from "./reader-cursor.ts";

/** One entry that waits. */
export interface WaitingEntry {
  readonly seq: Seq;
  readonly bytes: number;
  readonly topic: string | undefined;
}

/**
 * What waits for one reader that is behind: its places in the outboxes of its filters, less what it has taken and
 * dropped. A record that several of its filters name counts once for each.
 */
export class Backlog {
  /** By filter. */
  readonly places: Map<string, OutboxReader> = new Map();
  cursor: ReaderCursor;
  /** Rises with each drop: what was peeked before may not be wanted any longer. */
  version = 0;
  /** Replaced messages that were told as dropped already, and that the places have not passed; unknown after a restart. */
  #told: QueueSize | undefined;

  constructor(takenUpTo: Seq, drops?: SavedDrops) {
    this.cursor = new ReaderCursor(takenUpTo, drops);
  }

  /** Begins anew behind a record. */
  restart(takenUpTo: Seq): void {
    this.cursor = new ReaderCursor(takenUpTo);
    this.#told = undefined;
    for (const place of this.places.values()) place.cursor = this.cursor;
  }

  size(): QueueSize {
    const sum: QueueSize = { messages: 0, bytes: 0 };
    for (const place of this.places.values()) {
      const from = this.#skip(place);
      if (from < place.outbox.end) this.#addWaiting(place, from, sum);
    }
    return sum;
  }

  /** What waits above a record. */
  sizeAfter(seq: Seq): QueueSize {
    const sum: QueueSize = { messages: 0, bytes: 0 };
    for (const place of this.places.values()) {
      const from = Math.max(this.#skip(place), place.outbox.indexAfter(seq));
      if (from < place.outbox.end) this.#addWaiting(place, from, sum);
    }
    return sum;
  }

  /** The next numbers to take, lowest first, at most `limit`. Empty: nothing waits. */
  peek(limit: number): Seq[] {
    const found: Seq[] = [];
    let contributors = 0;
    for (const place of this.places.values()) {
      const before = found.length;
      this.#walk(place, (seq) => {
        if (found.length - before < limit) found.push(seq);
        return found.length - before < limit;
      });
      if (found.length > before) contributors += 1;
    }
    if (contributors < 2) return found;
    found.sort((a, b) => a - b);
    return found.filter((seq, index) => seq !== found[index - 1]).slice(0, limit);
  }

  /** Everything that waits at a place, up to a record. */
  waitingAt(place: OutboxReader, upTo: Seq = Infinity): WaitingEntry[] {
    const { outbox } = place;
    const found: WaitingEntry[] = [];
    this.#walk(place, (seq, index) => {
      if (seq > upTo) return false;
      const size = { messages: 0, bytes: 0 };
      outbox.addSize(index, index + 1, size);
      found.push({ seq, bytes: size.bytes, topic: outbox.topicAt(index) });
      return true;
    });
    return found;
  }

  take(seq: Seq): void {
    this.cursor.take(seq);
  }

  // ---------------------------------------------------------------- drops; each says what went

  dropUpTo(seq: Seq): QueueSize {
    return this.#dropping(() => this.cursor.take(seq));
  }

  /** The fewest of the oldest that have to go. */
  dropOldest(bounds: QueueBounds, tail: Seq): QueueSize {
    const first = lowest(this.cursor.takenUpTo, tail, (seq) => isWithin(this.sizeAfter(seq), bounds));
    return this.dropUpTo(first);
  }

  /** All that came after the bounds were reached. */
  dropBeyond(bounds: QueueBounds, tail: Seq): QueueSize {
    const all = this.size();
    const isTooMuch = (seq: Seq): boolean => {
      const beyond = this.sizeAfter(seq);
      return !isWithin({ messages: all.messages - beyond.messages, bytes: all.bytes - beyond.bytes }, bounds);
    };
    const last = lowest(this.cursor.takenUpTo, tail, isTooMuch) - 1;
    const before = this.cursor.gaps.at(-1);
    const isAdjacent = before && last > before.upTo && this.#isEmptyBetween(before.upTo, last);
    return this.#dropping(() => this.cursor.drop(isAdjacent ? before.upTo : last, tail));
  }

  /** What a later message of its topic has replaced, where that was noted. */
  dropReplaced(tail: Seq): QueueSize {
    return this.#dropping(() => this.cursor.dropReplaced(tail));
  }

  /**
   * What was replaced since the last drop, of what lies within reach of `dropReplaced`. What was replaced while the reader
   * went on may be missing in the count.
   */
  takeReplaced(): QueueSize {
    const now = this.#replaced();
    const before = this.#told ?? now;
    this.#told = now;
    return {
      messages: Math.max(0, now.messages - before.messages),
      bytes: Math.max(0, now.bytes - before.bytes),
    };
  }

  // ---------------------------------------------------------------- within

  #dropping(drop: () => void): QueueSize {
    const before = this.size();
    drop();
    this.version += 1;
    const after = this.size();
    this.#told = this.#replaced();
    return { messages: before.messages - after.messages, bytes: before.bytes - after.bytes };
  }

  /** Where a place reads on. */
  #skip(place: OutboxReader): number {
    const { outbox } = place;
    const { takenUpTo } = this.cursor;
    if (place.skippedTo === takenUpTo || place.index >= outbox.end) return place.index;
    place.index = Math.max(place.index, outbox.indexAfter(takenUpTo));
    // Else more that was taken may still be noted: after a start the outboxes are filled from the oldest cursor of all
    if (place.index < outbox.end) place.skippedTo = takenUpTo;
    return place.index;
  }

  #addWaiting({ outbox }: OutboxReader, from: number, sum: QueueSize): void {
    outbox.addSize(from, outbox.end, sum);
    const { gaps, replacedUpTo } = this.cursor;
    for (const { after, upTo } of gaps)
      outbox.addSize(Math.max(from, outbox.indexAfter(after)), outbox.indexAfter(upTo), sum, -1);
    if (replacedUpTo > 0) outbox.addReplaced(from, outbox.indexAfter(replacedUpTo), sum, -1);
  }

  #replaced(): QueueSize {
    const sum: QueueSize = { messages: 0, bytes: 0 };
    const { replacedUpTo, takenUpTo } = this.cursor;
    if (replacedUpTo <= takenUpTo) return sum;
    for (const place of this.places.values())
      place.outbox.addReplaced(this.#skip(place), place.outbox.indexAfter(replacedUpTo), sum);
    return sum;
  }

  #isEmptyBetween(after: Seq, upTo: Seq): boolean {
    return this.sizeAfter(after).messages === this.sizeAfter(upTo).messages;
  }

  /** Calls `take` with what waits at a place, until it has enough. */
  #walk(place: OutboxReader, take: (seq: Seq, index: number) => boolean): void {
    const { outbox } = place;
    const { gaps, replacedUpTo } = this.cursor;
    let from = this.#skip(place);
    for (const { after, upTo } of gaps) {
      let isEnough = false;
      outbox.walk(from, replacedUpTo, (seq, index) => {
        if (seq > after) return false;
        isEnough = !take(seq, index);
        return !isEnough;
      });
      if (isEnough) return;
      from = Math.max(from, outbox.indexAfter(upTo));
    }
    outbox.walk(from, replacedUpTo, take);
  }
}

/** The lowest number of a range for which it holds; `to` where it holds for none below. */
function lowest(from: Seq, to: Seq, holds: (seq: Seq) => boolean): Seq {
  let low = from;
  let high = Math.max(from, to);
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
