import type { Clock } from "../../../core/ports/clock.ts";
import type { Seq, StoredRecord } from "../../../core/ports/engine.ts";
import { notify } from "../notification.ts";
import type { LogReader } from "./log-reader.ts";

/** How long a tail waits before it asks a disk again that could not be read. */
const retryMs = 1_000;

/** The readers of a log's end: each catches up with what is there, then hears of each record as it becomes durable. */
export class LogTails {
  readonly #clock: Clock;
  readonly #reader: LogReader;
  #live: readonly LogTail[] = [];
  #shown: Seq;
  onReadError: (error: unknown) => void = () => undefined;

  constructor(options: { clock: Clock; reader: LogReader; shown: Seq }) {
    this.#clock = options.clock;
    this.#reader = options.reader;
    this.#shown = options.shown;
  }

  /** The last record that was shown: all durable ones, in order. */
  get shown(): Seq {
    return this.#shown;
  }

  open(after: Seq, callback: (stored: StoredRecord) => void): LogTail {
    const tail = new LogTail(after, callback, (stopped) => {
      this.#live = this.#live.filter((other) => other !== stopped);
    });
    this.#clock.soon(() => void this.#catchUp(tail));
    return tail;
  }

  /** Tells every tail that has caught up. */
  show(stored: StoredRecord): void {
    this.#shown = stored.seq;
    const tails = this.#live;
    for (let index = 0; index < tails.length; index++) {
      const tail = tails[index]!;
      if (!tail.isStopped && stored.seq >= tail.next) notify(tail.callback, stored);
    }
  }

  async #catchUp(tail: LogTail): Promise<void> {
    try {
      while (!tail.isStopped) {
        if (tail.next > this.#shown) {
          this.#live = [...this.#live, tail];
          return;
        }
        await this.#showPast(tail, this.#shown);
      }
    } catch (error) {
      if (tail.isStopped) return;
      this.onReadError(error);
      this.#clock.after(retryMs, () => void this.#catchUp(tail));
    }
  }

  async #showPast(tail: LogTail, to: Seq): Promise<void> {
    for await (const records of this.#reader.read({ from: tail.next, to })) {
      for (const stored of records) {
        if (tail.isStopped) return;
        tail.next = stored.seq + 1;
        notify(tail.callback, stored);
      }
    }
    tail.next = to + 1;
  }
}

export class LogTail {
  readonly callback: (stored: StoredRecord) => void;
  readonly #onStop: (tail: LogTail) => void;
  /** Nothing below. */
  next: Seq;
  isStopped = false;

  constructor(after: Seq, callback: (stored: StoredRecord) => void, onStop: (tail: LogTail) => void) {
    this.callback = callback;
    this.next = after + 1;
    this.#onStop = onStop;
  }

  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.#onStop(this);
  }
}
