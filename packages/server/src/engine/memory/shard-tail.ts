import type { Clock } from "../../core/ports/clock.ts";
import type { Seq, StoredRecord } from "../../core/ports/engine.ts";
import { notify } from "./notification.ts";
import type { LiveTail, ShardLog } from "./shard-log.ts";

/** How many records of the past one turn of the event loop shows. */
const sliceRecords = 1_024;

/** A reader of one shard: what is there in slices, and from the moment that it has caught up, each record as it comes. */
export class ShardTail {
  readonly #log: ShardLog;
  readonly #clock: Clock;
  readonly #live: LiveTail;
  #next: Seq;

  constructor(options: {
    readonly log: ShardLog;
    readonly clock: Clock;
    readonly after: Seq;
    readonly callback: (stored: StoredRecord) => void;
  }) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#live = { callback: options.callback, after: options.after, isStopped: false };
    this.#next = options.after + 1;
  }

  catchUp(): void {
    for (let shown = 0; shown < sliceRecords; shown++) {
      if (this.#live.isStopped) return;
      const entry = this.#log.records.firstFrom(this.#next);
      if (entry === undefined) {
        this.#log.addTail(this.#live);
        return;
      }
      this.#next = entry.seq + 1;
      notify(this.#live.callback, entry);
    }
    this.#clock.soon(() => this.catchUp());
  }

  stop(): void {
    this.#log.removeTail(this.#live);
  }
}
