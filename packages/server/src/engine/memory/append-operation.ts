import type { AppendResult, EngineError } from "../../core/ports/engine.ts";
import { type Failure, type Operation, Settlement } from "./operation-queue.ts";
import type { LogEntry } from "./record-chunk.ts";
import type { ShardLog } from "./shard-log.ts";
import type { TenantLogs } from "./tenant-logs.ts";

/** The one operation of the hot path: it has its number from the call on, and is applied in the order of the numbers. */
export class AppendOperation implements Operation {
  readonly kind = "append";
  readonly log: ShardLog;
  readonly entry: LogEntry;
  readonly settlement: Settlement<AppendResult> = new Settlement<AppendResult>();
  readonly #logs: TenantLogs;
  failure: Failure | undefined = undefined;

  constructor(logs: TenantLogs, log: ShardLog, entry: LogEntry) {
    this.#logs = logs;
    this.log = log;
    this.entry = entry;
  }

  get lane(): string {
    return this.log.lane;
  }

  isReady(): boolean {
    return this.log.isTurnOf(this.entry.seq);
  }

  apply(): void {
    this.#logs.apply(this.log, this.entry);
  }

  discard(): void {
    this.log.discard(this.entry);
  }

  resolve(): void {
    this.settlement.resolve({ shard: this.log.shard, seq: this.entry.seq, duplicate: false });
  }

  reject(error: EngineError): void {
    this.settlement.reject(error);
  }
}
