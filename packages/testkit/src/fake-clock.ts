interface FakeTimer {
  callback: (() => void) | undefined;
  cancel(): void;
}

const tickMs = 100;
const nextTurn = setImmediate;

/**
 * A `Clock` whose time stands still until a test moves it. Timers fire as the broker's own do: at the first tick of
 * 100 ms that is not earlier than they are due.
 *
 * @example
 * const clock = new FakeClock();
 * clock.after(250, () => console.log("now"));
 * clock.advance(300);
 */
export class FakeClock {
  readonly #startMs: number;
  readonly #soon: (callback: () => void) => void;
  readonly #timers = new Map<number, FakeTimer[]>();
  readonly #queue: (() => void)[] = [];
  #elapsedMs = 0;
  #tick = 0;

  /**
   * `soon: "queue"` (the default) keeps what `soon` was given until `advance` or `settle`; `"immediate"` hands it to
   * the event loop.
   */
  constructor(options: { readonly startMs?: number; readonly soon?: "queue" | "immediate" } = {}) {
    this.#startMs = options.startMs ?? Date.UTC(2026, 0, 1);
    this.#soon =
      options.soon === "immediate"
        ? (callback) => void nextTurn(callback)
        : (callback) => void this.#queue.push(callback);
  }

  nowMs(): number {
    return this.#startMs + this.#elapsedMs;
  }

  after(delayMs: number, callback: () => void): { cancel(): void } {
    const timer: FakeTimer = { callback, cancel: () => void (timer.callback = undefined) };
    const dueMs = this.#elapsedMs + Math.max(delayMs, 0);
    if (dueMs === Infinity) return timer;
    const tick = Math.max(Math.ceil(dueMs / tickMs), this.#tick + 1);
    const together = this.#timers.get(tick);
    if (together === undefined) this.#timers.set(tick, [timer]);
    else together.push(timer);
    return timer;
  }

  soon(callback: () => void): void {
    this.#soon(callback);
  }

  /** Callbacks that wait: timers not yet due or cancelled, and what `soon` has queued. */
  get pending(): number {
    let count = this.#queue.length;
    for (const together of this.#timers.values())
      count += together.filter((timer) => timer.callback !== undefined).length;
    return count;
  }

  /** Moves the time, firing what becomes due on the way, then what `soon` has queued (also by each other). */
  advance(ms: number): void {
    const targetMs = this.#elapsedMs + ms;
    this.#drain();
    for (let tick = this.#nextTick(); tick * tickMs <= targetMs; tick = this.#nextTick()) {
      this.#elapsedMs = Math.max(this.#elapsedMs, tick * tickMs);
      this.#fire(tick);
      this.#drain();
    }
    this.#elapsedMs = targetMs;
    this.#tick = Math.max(this.#tick, Math.floor(targetMs / tickMs));
  }

  /** Lets everything that needs no time happen: promises, what `soon` has queued, and what these bring about. */
  async settle(): Promise<void> {
    do {
      this.#drain();
      await new Promise<void>((resolve) => nextTurn(resolve));
    } while (this.#queue.length > 0);
  }

  #nextTick(): number {
    let next = Infinity;
    for (const tick of this.#timers.keys()) if (tick < next) next = tick;
    return next;
  }

  #fire(tick: number): void {
    this.#tick = tick;
    const together = this.#timers.get(tick) ?? [];
    this.#timers.delete(tick);
    for (const timer of together) {
      const callback = timer.callback;
      timer.callback = undefined;
      callback?.();
    }
  }

  #drain(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next();
  }
}
