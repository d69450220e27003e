import type { Movement } from "./movements.ts";

export interface ReplayOptions {
  /** In the order of time; at least one. */
  readonly movements: readonly Movement[];
  /** Seconds of the recording in a second of now. */
  readonly speed: number;
  /** Where in the recording it begins: where each vehicle was last before is sent at once. Default: its beginning. */
  readonly fromMs?: number | undefined;
  /** What comes of it is waited for, but never longer than until the next is due. */
  readonly send: (movement: Movement) => void;
}

/** The pause at the end of the recording, before it begins anew. */
const PAUSE_MS = 3_000;

/** Sends the movements of a recording at their own pace, sped up, for ever. */
export class Replay {
  readonly #options: ReplayOptions;
  #next: number;
  /** When the recording's `#baseMs` was, or will be, on the monotonic clock. */
  #startedAtMs = 0;
  #baseMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReplayOptions) {
    this.#options = options;
    const { movements, fromMs = movements[0]?.atMs ?? 0 } = options;
    this.#baseMs = fromMs;
    this.#next = Math.max(
      movements.findIndex(({ atMs }) => atMs >= fromMs),
      0,
    );
  }

  start(): void {
    for (const movement of this.#latestBefore(this.#next)) this.#options.send(movement);
    this.#startedAtMs = performance.now();
    this.#schedule();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Where each vehicle was last before the movement of that index; its first one, where it has not moved yet. */
  #latestBefore(index: number): Movement[] {
    const latest = new Map<string, Movement>();
    const { movements } = this.#options;
    for (const movement of movements.slice(0, index)) latest.set(movement.vehicle, movement);
    for (const movement of movements)
      if (!latest.has(movement.vehicle)) latest.set(movement.vehicle, movement);
    return [...latest.values()];
  }

  #schedule(): void {
    const movement = this.#options.movements[this.#next];
    if (movement === undefined) return this.#rewind();
    const dueMs = this.#startedAtMs + (movement.atMs - this.#baseMs) / this.#options.speed;
    this.#timer = setTimeout(() => this.#give(movement), Math.max(0, dueMs - performance.now()));
  }

  #give(movement: Movement): void {
    this.#options.send(movement);
    this.#next++;
    this.#schedule();
  }

  #rewind(): void {
    this.#next = 0;
    this.#baseMs = this.#options.movements[0]?.atMs ?? 0;
    this.#startedAtMs = performance.now() + PAUSE_MS;
    this.#schedule();
  }
}
