/** Minutes over which the averages go. */
export const LOAD_MINUTES = [1, 5, 15] as const;

/** Moving averages of a counter's growth a minute, as mosquitto's `$SYS/broker/load` has them. */
export class LoadAverage {
  readonly #averages = new Map<number, number>(LOAD_MINUTES.map((minutes) => [minutes, 0]));
  #total: number;

  /** @param total where the counter stands */
  constructor(total: number) {
    this.#total = total;
  }

  /** @param intervalMs since the last call */
  add(total: number, intervalMs: number): void {
    if (intervalMs <= 0) return;
    const perMinute = ((total - this.#total) * 60_000) / intervalMs;
    this.#total = total;
    for (const [minutes, average] of this.#averages) {
      const weight = Math.exp(-intervalMs / (minutes * 60_000));
      this.#averages.set(minutes, perMinute + weight * (average - perMinute));
    }
  }

  get(minutes: (typeof LOAD_MINUTES)[number]): number {
    return this.#averages.get(minutes) ?? 0;
  }
}
