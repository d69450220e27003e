import type { Seq, StoredRecord } from "../../core/ports/engine.ts";
import type { AppendIds } from "../append-ids.ts";
import { notify } from "./notification.ts";
import type { LogEntry } from "./record-chunk.ts";
import { RecordDeque } from "./record-deque.ts";

/** A reader that has caught up and hears of each record when it is applied. */
export interface LiveTail {
  readonly callback: (stored: StoredRecord) => void;
  /** Nothing up to here. */
  readonly after: Seq;
  isStopped: boolean;
}

/** One shard of a tenant's log, shared by all nodes of the cluster. */
export class ShardLog {
  readonly shard: number;
  readonly lane: string;
  readonly records: RecordDeque = new RecordDeque();
  readonly ids: AppendIds;
  /** The last number given. */
  #head: Seq = 0;
  /** Up to here every number was applied or discarded. */
  #done: Seq = 0;
  readonly #discarded = new Set<Seq>();
  #tails: readonly LiveTail[] = [];

  constructor(tenant: string, shard: number, ids: AppendIds) {
    this.shard = shard;
    this.lane = `log ${shard} ${tenant}`;
    this.ids = ids;
  }

  get head(): Seq {
    return this.#head;
  }

  /** Records up to here are there to be read. */
  get applied(): Seq {
    return this.records.head;
  }

  nextSeq(): Seq {
    this.#head += 1;
    return this.#head;
  }

  /** Whether all numbers below were applied or discarded. */
  isTurnOf(seq: Seq): boolean {
    return this.#done + 1 === seq;
  }

  isDone(seq: Seq): boolean {
    return seq <= this.#done;
  }

  store(entry: LogEntry): void {
    this.records.add(entry);
    this.#advance(entry.seq);
  }

  /** Calls each tail that has caught up. */
  show(entry: LogEntry): void {
    const tails = this.#tails;
    for (let index = 0; index < tails.length; index++) {
      const tail = tails[index]!;
      if (!tail.isStopped && entry.seq > tail.after) notify(tail.callback, entry);
    }
  }

  /** The number stays empty. */
  discard(entry: LogEntry): void {
    if (entry.id !== undefined) this.ids.delete(entry.id);
    if (this.isTurnOf(entry.seq)) this.#advance(entry.seq);
    else this.#discarded.add(entry.seq);
  }

  /** After a crash: numbers above `lastPending` that were given and not applied are given again. */
  rewind(lastPending: Seq): void {
    this.#head = Math.max(lastPending, this.records.head);
    this.#done = Math.min(this.#done, this.#head);
    for (const seq of this.#discarded) if (seq > this.#head) this.#discarded.delete(seq);
  }

  addTail(tail: LiveTail): void {
    this.#tails = [...this.#tails, tail];
  }

  removeTail(tail: LiveTail): void {
    tail.isStopped = true;
    this.#tails = this.#tails.filter((other) => other !== tail);
  }

  /** The place of an id, also of one that is no longer remembered but whose record is there. */
  find(id: string): Seq | undefined {
    const seq = this.ids.get(id);
    if (seq !== undefined) return seq;
    for (
      let entry = this.records.firstFrom(1);
      entry !== undefined;
      entry = this.records.firstFrom(entry.seq + 1)
    ) {
      if (entry.id === id) return entry.seq;
    }
    return undefined;
  }

  #advance(seq: Seq): void {
    this.#done = seq;
    if (this.#discarded.size === 0) return;
    while (this.#discarded.delete(this.#done + 1)) this.#done += 1;
  }
}
