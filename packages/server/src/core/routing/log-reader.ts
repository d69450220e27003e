import type { Seq } from "../ports/engine.ts";
import { Backlog, type WaitingEntry } from "./backlog.ts";
import type { Outbox, OutboxReader } from "./outbox.ts";
import type { QueueSize } from "./outbox-chunk.ts";
import { cutQueue, type QueueBounds, type QueueCut } from "./queue-bounds.ts";
import type { SavedDrops } from "./reader-cursor.ts";

/** No topic filter is empty. */
const frozenKey = "";

const noDrops: SavedDrops = { gaps: [], replacedUpTo: 0 };

/** Where outboxes come from and go to; the router. */
export interface OutboxSource {
  openOutbox(filter: string): Outbox;
  closeOutbox(outbox: Outbox): void;
  /** One in no tree, which belongs to one reader alone. */
  openFrozen(): Outbox;
  /** The last record that every live reader has been offered. */
  readonly tailSeq: Seq;
  /** The last record that is surely older than so many milliseconds. */
  seqBefore(ageMs: number): Seq;
}

/**
 * A cursor over the log through a set of outboxes: what a persistent session, or a share group with one, has still to
 * get. `live`: it takes each record as the log's tail brings it. `behind`: the records wait in the outboxes.
 */
export class LogReader {
  readonly #source: OutboxSource;
  readonly #backlog: Backlog;
  #isLive = false;
  #tracksTopics = false;

  /** `drops`: what was dropped of the records after `takenUpTo` before a restart. */
  constructor(source: OutboxSource, takenUpTo: Seq, drops: SavedDrops = noDrops) {
    this.#source = source;
    this.#backlog = new Backlog(takenUpTo, drops);
    this.#tracksTopics = drops.replacedUpTo > takenUpTo;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  /** The cursor to save: with `inFlight` and `drops` as its only exceptions, everything up to here was taken. */
  get position(): Seq {
    return this.#isLive ? this.#source.tailSeq : this.#backlog.cursor.takenUpTo;
  }

  /** What was dropped of what lies ahead. */
  get drops(): SavedDrops {
    return this.#isLive ? noDrops : this.#backlog.cursor.saved();
  }

  /** It has dropped what later messages have replaced: all of them have to be known to tell which. */
  get hasDroppedReplaced(): boolean {
    const { replacedUpTo, takenUpTo } = this.#backlog.cursor;
    return replacedUpTo > takenUpTo;
  }

  /** Rises when some of what `peek` has given is dropped. */
  get version(): number {
    return this.#backlog.version;
  }

  /** How many entries wait; a record that several filters name counts once for each. */
  get waiting(): number {
    return this.size.messages;
  }

  get size(): QueueSize {
    return this.#isLive ? { messages: 0, bytes: 0 } : this.#backlog.size();
  }

  /** Adds a filter, from the log's present tail on (or, for recovery, from `after`). */
  hold(filter: string, after?: Seq): void {
    const known = this.#backlog.places.get(filter);
    if (known) {
      known.holds += 1;
      return;
    }
    const outbox = this.#source.openOutbox(filter);
    const place = this.#join(filter, outbox, !this.#isLive);
    place.index = after === undefined ? outbox.end : outbox.indexAfter(after);
  }

  /** Stops collecting by a filter; what waits by it already is still to be taken. */
  retire(filter: string): void {
    const place = this.#backlog.places.get(filter);
    if (!place) return;
    const waiting = this.#isLive || place.holds > 1 ? [] : this.#backlog.waitingAt(place);
    this.drop(filter);
    this.#keep(waiting);
  }

  /** Stops collecting by a filter, and forgets what waits by it alone. */
  drop(filter: string): void {
    const place = this.#backlog.places.get(filter);
    if (!place) return;
    place.holds -= 1;
    if (place.holds > 0) return;
    this.#backlog.places.delete(filter);
    this.#leave(place);
  }

  /** From the record after `takenUpTo` on, everything waits in the outboxes. */
  fallBehind(takenUpTo: Seq): void {
    if (!this.#isLive) return;
    this.#isLive = false;
    this.#backlog.restart(takenUpTo);
    for (const place of this.#backlog.places.values()) {
      place.isBehind = true;
      place.index = place.outbox.end;
      place.skippedTo = -1;
      place.outbox.fallBehind();
    }
  }

  /** The next numbers to take, lowest first, at most `limit`. Empty: nothing waits. */
  peek(limit: number): Seq[] {
    return this.#backlog.peek(limit);
  }

  /** Says that everything up to `seq` was taken. */
  take(seq: Seq): void {
    this.#backlog.cursor.take(seq);
  }

  /** Nothing waits: from now on records come from the tail. The caller has just seen `peek` return nothing. */
  goLive(): void {
    this.drop(frozenKey);
    this.#isLive = true;
    for (const place of this.#backlog.places.values()) {
      place.isBehind = false;
      place.outbox.catchUp();
    }
  }

  /** Which messages are the latest of their topics is known only of what comes while the policy asks for it. */
  follow(policy: QueueBounds["policy"]): void {
    const tracks = policy === "latest-per-topic" || (!this.#isLive && this.hasDroppedReplaced);
    if (tracks === this.#tracksTopics) return;
    this.#tracksTopics = tracks;
    for (const { outbox } of this.#backlog.places.values()) {
      if (tracks) outbox.trackTopics();
      else outbox.untrackTopics();
    }
  }

  /** Keeps what waits within its bounds; undefined: it is. */
  cut(bounds: QueueBounds): QueueCut | undefined {
    this.follow(bounds.policy);
    if (this.#isLive) return undefined;
    return cutQueue(this.#backlog, bounds, this.#source.seqBefore(bounds.ageMs), this.#source.tailSeq);
  }

  /**
   * Stops collecting, and keeps what waits (up to `last`): what becomes of a session whose principal was deleted,
   * disabled or revoked (semantics.md §1.9).
   */
  freeze(last: Seq = this.#source.tailSeq): void {
    this.fallBehind(this.#source.tailSeq);
    const waiting = [...this.#backlog.places.values()].flatMap((place) =>
      this.#backlog.waitingAt(place, last),
    );
    this.close();
    this.#keep(waiting);
  }

  close(): void {
    for (const place of this.#backlog.places.values()) this.#leave(place);
    this.#backlog.places.clear();
  }

  /** What waits in none of the outboxes that collect. */
  #keep(waiting: readonly WaitingEntry[]): void {
    if (waiting.length === 0) return;
    const kept = this.#backlog.places.get(frozenKey);
    const all = inOrder([...(kept ? this.#backlog.waitingAt(kept) : []), ...waiting]);
    this.drop(frozenKey);
    const outbox = this.#source.openFrozen();
    this.#join(frozenKey, outbox, true);
    for (const { seq, bytes, topic } of all) outbox.note(seq, bytes, topic);
  }

  #join(filter: string, outbox: Outbox, isBehind: boolean): OutboxReader {
    const { cursor, places } = this.#backlog;
    const place: OutboxReader = { outbox, index: 0, skippedTo: -1, isBehind, holds: 1, cursor };
    outbox.readers.add(place);
    if (isBehind) outbox.fallBehind();
    if (this.#tracksTopics) outbox.trackTopics();
    places.set(filter, place);
    return place;
  }

  #leave(place: OutboxReader): void {
    const { outbox } = place;
    outbox.readers.delete(place);
    if (place.isBehind) outbox.catchUp();
    if (this.#tracksTopics) outbox.untrackTopics();
    if (outbox.readers.size === 0) this.#source.closeOutbox(outbox);
  }
}

function inOrder(entries: readonly WaitingEntry[]): WaitingEntry[] {
  const bySeq = new Map(entries.map((entry) => [entry.seq, entry]));
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}
