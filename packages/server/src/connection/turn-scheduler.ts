import type { Clock } from "../core/ports/clock.ts";

/** Has bytes to write at the end of the turn. */
export interface Flushable {
  flush(): void;
}

/** Has used up its share of a turn and goes on in the next. */
export interface Resumable {
  resumeTurn(): void;
}

/**
 * Cuts the event loop into turns for all connections: what they wrote leaves in one go once the turn's reading is done,
 * and who read more than a fair share goes on after the others had theirs.
 */
export class TurnScheduler {
  /** Rises by one at the end of each turn in which something happened. */
  turn = 0;
  /** When the turn began, on the clock: near enough for whatever happens in it. */
  startedMs = 0;
  readonly #clock: Pick<Clock, "nowMs">;
  #dirty: Flushable[] = [];
  #flushing: Flushable[] = [];
  #waiting: Resumable[] = [];
  #isArmed = false;
  readonly #endTurn = (): void => this.#end();

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
  }

  /** Makes sure that the turn ends. */
  arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    this.startedMs = this.#clock.nowMs();
    setImmediate(this.#endTurn);
  }

  /** Flushes at the end of this turn. */
  flushSoon(flushable: Flushable): void {
    this.#dirty.push(flushable);
    this.arm();
  }

  /** Resumes in the next turn, after pending I/O had its chance. */
  resumeSoon(resumable: Resumable): void {
    this.#waiting.push(resumable);
    this.arm();
  }

  #end(): void {
    this.#isArmed = false;
    this.turn++;
    this.#flushAll();
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const resumable of waiting) resumable.resumeTurn();
  }

  // Two arrays take turns, so that what becomes dirty meanwhile waits for the next turn and nothing is allocated.
  #flushAll(): void {
    const dirty = this.#dirty;
    this.#dirty = this.#flushing;
    this.#flushing = dirty;
    for (const flushable of dirty) flushable.flush();
    dirty.length = 0;
  }
}
