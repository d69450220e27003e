import type { Clock } from "../../../core/ports/clock.ts";
import type { EngineError } from "../../../core/ports/engine.ts";
import type { AppendBatch, PendingAppend } from "./append-batch.ts";

/** How long one turn of the event loop may go on settling. */
const sliceMs = 4;
/** How many records pass between two looks at the clock. */
const recordsPerLook = 64;

interface DoneBatch {
  readonly entries: readonly PendingAppend[];
  readonly error: EngineError | undefined;
  next: number;
}

/** Shows and settles what was committed, in order, and never for long at once. */
export class Settler {
  readonly #clock: Clock;
  readonly #settle: (entry: PendingAppend, error: EngineError | undefined) => void;
  readonly #batches: DoneBatch[] = [];
  #isScheduled = false;
  #onIdle: (() => void)[] = [];

  constructor(clock: Clock, settle: (entry: PendingAppend, error: EngineError | undefined) => void) {
    this.#clock = clock;
    this.#settle = settle;
  }

  get isIdle(): boolean {
    return this.#batches.length === 0;
  }

  add({ entries }: AppendBatch, error: EngineError | undefined): void {
    this.#batches.push({ entries, error, next: 0 });
    if (!this.#isScheduled) this.#run();
  }

  /** Resolves when nothing waits to be settled. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** What waits is forgotten. */
  clear(): void {
    this.#batches.length = 0;
  }

  readonly #run = (): void => {
    this.#isScheduled = false;
    const endMs = performance.now() + sliceMs;
    for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
      this.#settleSome(batch);
      if (batch.next === batch.entries.length) this.#batches.shift();
      if (this.#batches.length > 0 && performance.now() > endMs) {
        this.#isScheduled = true;
        this.#clock.soon(this.#run);
        return;
      }
    }
    const waiting = this.#onIdle;
    this.#onIdle = [];
    for (const resolve of waiting) resolve();
  };

  #settleSome(batch: DoneBatch): void {
    const end = Math.min(batch.next + recordsPerLook, batch.entries.length);
    while (batch.next < end) {
      const entry = batch.entries[batch.next]!;
      batch.next += 1;
      this.#settle(entry, batch.error);
    }
  }
}
