import { topicMatches } from "@weir/protocol";
import {
  EngineError,
  type AppendResult,
  type Log,
  type LogRecord,
  type Position,
  type ReadOptions,
  type Seq,
  type StoredRecord,
  type Subscription,
} from "../../core/ports/engine.ts";
import { AppendOperation } from "./append-operation.ts";
import type { NodeGate } from "./node-gate.ts";
import { copyRecord, recordBytes } from "./record-copy.ts";
import { ShardTail } from "./shard-tail.ts";
import type { ShardLog } from "./shard-log.ts";
import type { TenantLogs } from "./tenant-logs.ts";

/** How many records one turn of the event loop looks at. */
const sliceRecords = 1_024;

interface Slice {
  readonly records: readonly StoredRecord[];
  /** 0: the end was reached. */
  readonly next: Seq;
}

/** The cluster's logs as one node sees them. */
export class MemoryLog implements Log {
  readonly durability = "none";
  readonly shards: number;
  readonly #gate: NodeGate;
  readonly #logs: TenantLogs;

  constructor(gate: NodeGate, logs: TenantLogs) {
    this.shards = logs.bounds.shards;
    this.#gate = gate;
    this.#logs = logs;
  }

  shardOf(_tenant: string, topic: string): number {
    if (this.shards === 1) return 0;
    let hash = 0;
    for (let index = 0; index < topic.length; index++)
      hash = (Math.imul(hash, 31) + topic.charCodeAt(index)) | 0;
    return (hash >>> 0) % this.shards;
  }

  append(tenant: string, record: LogRecord, id?: string): Promise<AppendResult> {
    if (!this.#gate.isOpen) return this.#gate.refuseClosed("append");
    if (recordBytes(record) > this.#logs.bounds.maxBytes) return this.#refuseTooLarge(record);
    const log = this.#logs.of(tenant)[this.shardOf(tenant, record.topic)]!;
    if (id !== undefined) {
      const seq = log.ids.get(id);
      if (seq !== undefined) return this.#repeat(log, id, seq);
    }
    const entry = { shard: log.shard, seq: log.nextSeq(), record: copyRecord(record), id };
    if (id !== undefined) log.ids.set(id, entry.seq, this.#logs.clock.nowMs());
    const operation = new AppendOperation(this.#logs, log, entry);
    this.#gate.queue.push(operation);
    return operation.settlement.promise;
  }

  lookup(tenant: string, id: string): Promise<AppendResult | undefined> {
    const logs = this.#logs.of(tenant);
    return this.#gate.call({
      kind: "lookup",
      isReady: () => logs.every((log) => log.isDone(log.ids.get(id) ?? 0)),
      run: () => findPlace(logs, id),
    });
  }

  interest(tenant: string, filter: string, change: 1 | -1): Promise<void> {
    return this.#gate.call({
      kind: "interest",
      lane: "interest",
      run: () => this.#logs.changeInterest(tenant, filter, change),
    });
  }

  tail(tenant: string, after: Position, callback: (stored: StoredRecord) => void): Subscription {
    const tails: ShardTail[] = [];
    const subscription = this.#gate.subscription(() => {
      for (const tail of tails) tail.stop();
    });
    for (const log of this.#logs.of(tenant)) {
      tails.push(new ShardTail({ log, clock: this.#logs.clock, after: after[log.shard] ?? 0, callback }));
    }
    this.#gate.start("tail", () => {
      for (const tail of tails) tail.catchUp();
    });
    return subscription;
  }

  async *read(
    tenant: string,
    after: Position,
    options: ReadOptions = {},
  ): AsyncIterable<readonly StoredRecord[]> {
    let left = options.limit ?? Infinity;
    for (const log of this.#logs.of(tenant)) {
      const to = options.to === undefined ? await this.#applied(log) : (options.to[log.shard] ?? 0);
      let next = (after[log.shard] ?? 0) + 1;
      while (next > 0 && left > 0 && options.signal?.aborted !== true) {
        const from = next;
        const run = (): Slice => slice(log, { from, to, limit: left, filters: options.filters });
        const { records, next: following } = await this.#gate.call({ kind: "read", run });
        left -= records.length;
        next = following;
        if (records.length > 0) yield records;
        if (next > 0) await new Promise<void>((resolve) => this.#logs.clock.soon(resolve));
      }
    }
  }

  fetch(tenant: string, shard: number, seqs: readonly Seq[]): Promise<readonly StoredRecord[]> {
    return this.#gate.call({
      kind: "fetch",
      run: () => {
        const records = this.#logs.of(tenant)[shard]?.records;
        const found: StoredRecord[] = [];
        for (const seq of seqs) {
          const entry = records?.get(seq);
          if (entry !== undefined) found.push(entry);
        }
        return found;
      },
    });
  }

  release(tenant: string, shard: number, before: Seq, keep: (seq: Seq) => boolean): void {
    const log = this.#logs.of(tenant)[shard];
    if (log !== undefined && this.#gate.isOpen) this.#logs.release(log, before, keep);
  }

  forget(tenant: string): Promise<void> {
    return this.#gate.call({ kind: "delete", run: () => this.#logs.forget(tenant) });
  }

  bounds(tenant: string, shard: number): { readonly first: Seq; readonly head: Seq; readonly bytes: number } {
    const log = this.#logs.of(tenant)[shard];
    if (log === undefined) return { first: 1, head: 0, bytes: 0 };
    return { first: log.records.first, head: log.head, bytes: log.records.bytes };
  }

  #applied(log: ShardLog): Promise<Seq> {
    return this.#gate.call({ kind: "read", run: () => log.applied });
  }

  /** Answers with the first place, once that is sure. */
  #repeat(log: ShardLog, id: string, seq: Seq): Promise<AppendResult> {
    return this.#gate.call({
      kind: "append",
      isReady: () => log.isDone(seq),
      run: () => {
        if (log.ids.get(id) === undefined)
          throw new EngineError("unavailable", "the first append of this id was lost");
        return { shard: log.shard, seq, duplicate: true };
      },
    });
  }

  #refuseTooLarge(record: LogRecord): Promise<never> {
    const bytes = recordBytes(record);
    const error = new EngineError("too-large", `a record of ${bytes} bytes is larger than the log may be`);
    return this.#gate.refuse("append", error);
  }
}

function findPlace(logs: readonly ShardLog[], id: string): AppendResult | undefined {
  for (const log of logs) {
    const seq = log.find(id);
    if (seq !== undefined) return { shard: log.shard, seq, duplicate: true };
  }
  return undefined;
}

interface SliceOptions {
  readonly from: Seq;
  readonly to: Seq;
  readonly limit: number;
  readonly filters: readonly string[] | undefined;
}

function slice(log: ShardLog, { from, to, limit, filters }: SliceOptions): Slice {
  const records: StoredRecord[] = [];
  let entry = log.records.firstFrom(from);
  for (let seen = 0; entry !== undefined && entry.seq <= to; seen++) {
    if (seen === sliceRecords || records.length === limit) return { records, next: entry.seq };
    const { topic } = entry.record;
    if (filters === undefined || filters.some((filter) => topicMatches(filter, topic))) records.push(entry);
    entry = log.records.firstFrom(entry.seq + 1);
  }
  return { records, next: 0 };
}
