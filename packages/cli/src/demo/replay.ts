import type { BusReport } from "./bus-reports.ts";

export interface ReplayOptions {
  /** In the order of time; at least one. */
  readonly reports: readonly BusReport[];
  /** Seconds of the recording in a second of now. */
  readonly speed: number;
  /** Where in the recording it begins: the last report of each bus before it comes at once. */
  readonly fromMs: number;
  readonly publish: (report: BusReport) => void;
}

/** The pause at the end of the recording, before it begins anew. */
const PAUSE_MS = 3_000;

/** Gives out the reports of a recording at their own pace, sped up, for ever. */
export class Replay {
  readonly #options: ReplayOptions;
  #next: number;
  /** When the recording's `#baseMs` was, or will be. */
  #startedAtMs = 0;
  #baseMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#baseMs = options.fromMs;
    const found = options.reports.findIndex(({ at }) => Date.parse(at) >= options.fromMs);
    this.#next = found === -1 ? 0 : found;
  }

  start(): void {
    for (const report of this.#latestBefore(this.#next)) this.#options.publish(report);
    this.#startedAtMs = performance.now();
    this.#schedule();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Where each bus was last before the report of that index; what is first known of it later, where that is all. */
  #latestBefore(index: number): BusReport[] {
    const latest = new Map<string, BusReport>();
    for (const report of this.#options.reports.slice(0, index)) latest.set(report.bus, report);
    for (const report of this.#options.reports) if (!latest.has(report.bus)) latest.set(report.bus, report);
    return [...latest.values()];
  }

  #schedule(): void {
    const report = this.#options.reports[this.#next];
    if (report === undefined) return this.#rewind();
    const dueMs = this.#startedAtMs + (Date.parse(report.at) - this.#baseMs) / this.#options.speed;
    this.#timer = setTimeout(() => this.#give(report), Math.max(0, dueMs - performance.now()));
  }

  #give(report: BusReport): void {
    this.#options.publish(report);
    this.#next++;
    this.#schedule();
  }

  #rewind(): void {
    this.#next = 0;
    this.#baseMs = Date.parse(this.#options.reports[0]?.at ?? "");
    this.#startedAtMs = performance.now() + PAUSE_MS;
    this.#schedule();
  }
}
