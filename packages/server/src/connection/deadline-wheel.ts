import type { Clock, Timer } from "../core/ports/clock.ts";

const TICK_MS = 100;
const SLOTS = 512;

/** Something with a deadline that moves more often than it is reached. The wheel keeps its place in the four fields. */
export interface Watched {
  dueMs: number;
  slot: number;
  previousWatched: Watched | undefined;
  nextWatched: Watched | undefined;
  /** The deadline is reached: gives the next one (ms on the clock), or undefined to be left alone. */
  checkDeadline(nowMs: number): number | undefined;
}

/** Where `slot` of something that no wheel watches points to. */
export const UNWATCHED = -1;

/**
 * One timer for the deadlines of all connections. A packet that came costs nothing here: whoever is watched notes the
 * time, and says at its deadline when to ask again. Deadlines are met up to 300 ms late, never early.
 */
export class DeadlineWheel {
  readonly #clock: Clock;
  readonly #slots: (Watched | undefined)[] = Array.from({ length: SLOTS }, () => undefined);
  #count = 0;
  #lastTick = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many are watched. */
  get count(): number {
    return this.#count;
  }

  /** Watches from now on, or moves the deadline of what is watched already. */
  watch(watched: Watched, dueMs: number): void {
    this.forget(watched);
    if (this.#count++ === 0) this.#lastTick = tickOf(this.#clock.nowMs());
    this.#insert(watched, dueMs);
    this.#armTimer();
  }

  /** Leaves alone what may or may not be watched. */
  forget(watched: Watched): void {
    if (watched.slot === UNWATCHED) return;
    this.#unlink(watched);
    this.#count--;
  }

  #armTimer(): void {
    if (this.#timer === undefined) this.#timer = this.#clock.after(TICK_MS, () => this.#tick());
  }

  #insert(watched: Watched, dueMs: number): void {
    // Rounded up: when its slot is looked at, the deadline has passed
    const slot = Math.max(Math.ceil(dueMs / TICK_MS), this.#lastTick + 1) % SLOTS;
    const head = this.#slots[slot];
    watched.dueMs = dueMs;
    watched.slot = slot;
    watched.previousWatched = undefined;
    watched.nextWatched = head;
    if (head !== undefined) head.previousWatched = watched;
    this.#slots[slot] = watched;
  }

  #unlink(watched: Watched): void {
    const { previousWatched: previous, nextWatched: next } = watched;
    if (previous === undefined) this.#slots[watched.slot] = next;
    else previous.nextWatched = next;
    if (next !== undefined) next.previousWatched = previous;
    watched.slot = UNWATCHED;
    watched.previousWatched = undefined;
    watched.nextWatched = undefined;
  }

  #tick(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.nowMs();
    const due = this.#takeDue(nowMs);
    for (const watched of due) this.#check(watched, nowMs);
    if (this.#count > 0) this.#armTimer();
  }

  /** Collected first, since a check may watch, move and forget others. */
  #takeDue(nowMs: number): Watched[] {
    const due: Watched[] = [];
    const currentTick = tickOf(nowMs);
    const firstTick = Math.max(this.#lastTick + 1, currentTick - SLOTS + 1);
    for (let tick = firstTick; tick <= currentTick; tick++) {
      for (let one = this.#slots[tick % SLOTS]; one !== undefined; one = one.nextWatched) {
        if (one.dueMs <= nowMs) due.push(one);
      }
    }
    this.#lastTick = currentTick;
    for (const watched of due) this.#requeueLater(watched);
    return due;
  }

  // Until it is checked it stays watched, one tick ahead: so forgetting it in between works as ever.
  #requeueLater(watched: Watched): void {
    this.#unlink(watched);
    this.#insert(watched, watched.dueMs);
  }

  #check(watched: Watched, nowMs: number): void {
    if (watched.slot === UNWATCHED || watched.dueMs > nowMs) return;
    const nextMs = watched.checkDeadline(nowMs);
    if (watched.slot === UNWATCHED || watched.dueMs > nowMs) return;
    if (nextMs === undefined) this.forget(watched);
    else this.watch(watched, Math.max(nextMs, nowMs + 1));
  }
}

function tickOf(timeMs: number): number {
  return Math.floor(timeMs / TICK_MS);
}
