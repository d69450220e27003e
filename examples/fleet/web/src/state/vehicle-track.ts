import type { Track } from "weir-fleet/contract";
import { type Fix, toFix, type Vehicle } from "./vehicle.ts";

export type LoadTrack = (id: string, from: Date) => Promise<Track>;

const RETRY_MS = 1_000;
const MAX_ATTEMPTS = 30;

/**
 * Where a vehicle was: from the storage, continued by what comes live. The storage is a moment behind; it is asked again
 * until its last position is no older than the first live one, so that none is missing in between.
 */
export class VehicleTrack {
  readonly vehicle: Vehicle;
  readonly hours: number;
  readonly #load: LoadTrack;
  readonly #changed: () => void;
  #stored = new Map<number, Fix>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  /** Undefined while it is being loaded for the first time. */
  state: "loading" | "ready" | "failed" = "loading";

  constructor(vehicle: Vehicle, hours: number, load: LoadTrack, changed: () => void) {
    this.vehicle = vehicle;
    this.hours = hours;
    this.#load = load;
    this.#changed = changed;
    void this.reload();
  }

  /** Also after the connection was away: what passed meanwhile is in the storage only. */
  async reload(): Promise<void> {
    clearTimeout(this.#timer);
    const from = new Date(Date.now() - this.hours * 3_600_000);
    await this.#fetch(from, MAX_ATTEMPTS);
  }

  /** In the order of time. */
  fixes(): Fix[] {
    const fromMs = Date.now() - this.hours * 3_600_000;
    const all = new Map(this.#stored);
    for (const fix of this.vehicle.recent) all.set(fix.atMs, fix);
    return [...all.values()].filter(({ atMs }) => atMs >= fromMs).sort((a, b) => a.atMs - b.atMs);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #fetch(from: Date, attemptsLeft: number): Promise<void> {
    try {
      const { positions } = await this.#load(this.vehicle.id, from);
      if (this.#isClosed) return;
      for (const fix of positions.map(toFix)) this.#stored.set(fix.atMs, fix);
      this.state = "ready";
    } catch {
      if (this.#isClosed) return;
      if (this.state === "loading") this.state = "failed";
    }
    this.#changed();
    const lastStoredMs = Math.max(...this.#stored.keys(), 0);
    if (attemptsLeft > 0 && !this.#reaches(lastStoredMs)) {
      const next = new Date(Math.max(lastStoredMs, from.getTime()));
      this.#timer = setTimeout(() => void this.#fetch(next, attemptsLeft - 1), RETRY_MS);
    }
  }

  #reaches(lastStoredMs: number): boolean {
    const { firstLiveMs } = this.vehicle;
    return this.state === "ready" && firstLiveMs !== undefined && lastStoredMs >= firstLiveMs;
  }
}
