import { performance } from "node:perf_hooks";
import type { Clock, Timer } from "../core/ports/clock.ts";
import { TimerWheel } from "./timer-wheel.ts";

const tickMs = 100;

/**
 * The clock of a running broker: the wall clock as of the start, then monotonic. One interval drives all timers and
 * does not keep the process alive. Must be closed.
 */
export class SystemClock implements Clock {
  readonly #anchorMs: number;
  readonly #wheel: TimerWheel;
  readonly #interval: NodeJS.Timeout;

  constructor() {
    this.#anchorMs = Date.now() - performance.now();
    this.#wheel = new TimerWheel({ startMs: this.nowMs(), tickMs });
    this.#interval = setInterval(() => this.#wheel.advance(this.nowMs()), tickMs);
    this.#interval.unref();
  }

  nowMs(): number {
    return this.#anchorMs + performance.now();
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.#wheel.after(this.nowMs(), delayMs, callback);
  }

  soon(callback: () => void): void {
    setImmediate(callback);
  }

  /** No timer fires any more. */
  close(): void {
    clearInterval(this.#interval);
  }
}
