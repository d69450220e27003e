import type { Clock } from "../ports/clock.ts";

/** How long one slice may hold the event loop. */
const SLICE_MS = 2;

/** Does something for each of many items, once however often it was added, without holding up what else there is to do. */
export class SlicedWork<T> {
  readonly #clock: Clock;
  readonly #work: (item: T) => void;
  readonly #due = new Set<T>();
  #isScheduled = false;

  constructor(clock: Clock, work: (item: T) => void) {
    this.#clock = clock;
    this.#work = work;
  }

  add(items: Iterable<T>): void {
    for (const item of items) this.#due.add(item);
    if (this.#due.size > 0) this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.soon(() => this.#slice());
  }

  #slice(): void {
    this.#isScheduled = false;
    const until = this.#clock.nowMs() + SLICE_MS;
    for (const item of this.#due) {
      this.#due.delete(item);
      this.#work(item);
      if (this.#clock.nowMs() >= until) break;
    }
    if (this.#due.size > 0) this.#schedule();
  }
}
