import type { Clock } from "../../core/ports/clock.ts";
import { AppendIds } from "../append-ids.ts";
import type { LogEntry } from "./record-chunk.ts";
import { ShardLog } from "./shard-log.ts";

export interface LogBounds {
  readonly shards: number;
  readonly maxBytes: number;
  readonly dedupMs: number;
  readonly maxIds: number;
}

/** The logs of all tenants, which share one bound: beyond it the largest log loses its oldest records. */
export class TenantLogs {
  readonly bounds: LogBounds;
  readonly clock: Clock;
  readonly #logs = new Map<string, readonly ShardLog[]>();
  readonly #interests = new Map<string, number>();
  #lastTenant: string | undefined;
  #lastShards: readonly ShardLog[] = [];
  #bytes = 0;

  constructor(bounds: LogBounds, clock: Clock) {
    this.bounds = bounds;
    this.clock = clock;
  }

  /** Shard by shard. */
  of(tenant: string): readonly ShardLog[] {
    if (tenant !== this.#lastTenant) {
      this.#lastShards = this.#logs.get(tenant) ?? this.#create(tenant);
      this.#lastTenant = tenant;
    }
    return this.#lastShards;
  }

  apply(log: ShardLog, entry: LogEntry): void {
    const before = log.records.bytes;
    log.store(entry);
    this.#bytes += log.records.bytes - before;
    if (this.#bytes > this.bounds.maxBytes) this.#evict();
    log.show(entry);
  }

  release(log: ShardLog, before: number, keep: (seq: number) => boolean): void {
    const bytes = log.records.bytes;
    log.records.release(before, keep);
    this.#bytes += log.records.bytes - bytes;
  }

  /** All of a tenant. */
  forget(tenant: string): void {
    for (const { records } of this.#logs.get(tenant) ?? []) this.#bytes -= records.bytes;
    this.#logs.delete(tenant);
    this.#lastTenant = undefined;
  }

  /** How many register an interest in the filter. */
  changeInterest(tenant: string, filter: string, change: 1 | -1): void {
    const key = `${tenant}\0${filter}`;
    const count = (this.#interests.get(key) ?? 0) + change;
    if (count > 0) this.#interests.set(key, count);
    else this.#interests.delete(key);
  }

  *all(): Iterable<ShardLog> {
    for (const shards of this.#logs.values()) yield* shards;
  }

  #create(tenant: string): readonly ShardLog[] {
    const shards = Array.from({ length: this.bounds.shards }, (_, shard) => {
      return new ShardLog(
        tenant,
        shard,
        new AppendIds({ keptMs: this.bounds.dedupMs, maxIds: this.bounds.maxIds }),
      );
    });
    this.#logs.set(tenant, shards);
    return shards;
  }

  /** Makes room for some more than the last record, so that not every append looks for the largest log. */
  #evict(): void {
    const target = this.bounds.maxBytes - this.bounds.maxBytes / 64;
    let largest = this.#largest();
    while (this.#bytes > target && largest !== undefined) {
      const bytes = largest.records.bytes;
      largest.records.evict();
      this.#bytes += largest.records.bytes - bytes;
      if (largest.records.bytes === 0) largest = this.#largest();
    }
  }

  #largest(): ShardLog | undefined {
    let largest: ShardLog | undefined;
    for (const log of this.all()) if (log.records.bytes > (largest?.records.bytes ?? 0)) largest = log;
    return largest;
  }
}
