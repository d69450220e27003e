const WINDOW_MS = 10_000;

/** How many messages came, and how many a second of late. */
export class MessageRate {
  total = 0;
  readonly #startedAtMs: number;
  #recentMs: number[] = [];

  constructor(nowMs: number) {
    this.#startedAtMs = nowMs;
  }

  add(nowMs: number): void {
    this.total++;
    this.#recentMs.push(nowMs);
  }

  perSecond(nowMs: number): number {
    this.#recentMs = this.#recentMs.filter((at) => nowMs - at < WINDOW_MS);
    const spanMs = Math.min(WINDOW_MS, Math.max(1_000, nowMs - this.#startedAtMs));
    return (this.#recentMs.length / spanMs) * 1000;
  }
}
