import type { Clock } from "../core/ports/clock.ts";
import type { Admission, Entrant } from "../core/ports/admission.ts";
import type { Counters, LimitName } from "../core/ports/telemetry.ts";

export interface SteadyAdmissionOptions {
  readonly clock: Clock;
  readonly counters: Counters;
  /** What is counted when somebody has to wait or is turned away. */
  readonly limit: LimitName;
  /** How many are let in a second, on average and nearly evenly. */
  readonly ratePerS: number;
  /** How many may wait for it. */
  readonly maxWaiting: number;
  /** What those who wait may hold in memory together. */
  readonly maxWaitingBytes: number;
}

/** Whom an address belongs to, as far as that can be told: with IPv6 a subscriber has a whole /64. */
function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::", 2);
  const groups = head.split(":");
  if (tail !== undefined) groups.push(..."0".repeat(Math.max(0, 4 - groups.length)));
  return groups.slice(0, 4).join(":");
}

/** At most what falls due in this time is let in at once, so that those inside are served in between. */
const BURST_MS = 20;
/** And never more than the few milliseconds' work that so many CONNECTs are: a busy machine lets in what it can serve. */
const MAX_BURST = 64;
const TICK_MS = 2;

/**
 * A door that lets in at a steady rate: a token bucket with a bounded line in front of it. Networks take turns, and each
 * may fill half of what the others leave free, so that one that floods the door takes neither all turns nor all places.
 */
export class SteadyAdmission implements Admission {
  readonly #options: SteadyAdmissionOptions;
  /** By network, next in turn first. */
  readonly #lanes = new Map<string, Lane>();
  #waiting = 0;
  #waitingBytes = 0;
  #tokens: number;
  #filledAtMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SteadyAdmissionOptions) {
    this.#options = options;
    this.#tokens = this.#burst;
    this.#filledAtMs = options.clock.nowMs();
  }

  get waiting(): number {
    return this.#waiting;
  }

  enter(entrant: Entrant): "now" | "later" | "full" {
    this.#fill();
    if (this.#waiting === 0 && this.#tokens >= 1) {
      this.#tokens -= 1;
      return "now";
    }
    this.#options.counters.limitReached[this.#options.limit] += 1;
    const network = networkOf(entrant.address);
    const lane = this.#lanes.get(network) ?? new Lane();
    if (!this.#hasPlace(lane, entrant)) return "full";
    this.#lanes.set(network, lane);
    this.#count(lane, entrant, 1);
    lane.entrants.add(entrant);
    this.#arm();
    return "later";
  }

  leave(entrant: Entrant): void {
    const network = networkOf(entrant.address);
    const lane = this.#lanes.get(network);
    if (!lane?.entrants.delete(entrant)) return;
    this.#count(lane, entrant, -1);
    if (lane.entrants.size === 0) this.#lanes.delete(network);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  get #burst(): number {
    return Math.min(MAX_BURST, Math.max(1, (this.#options.ratePerS * BURST_MS) / 1_000));
  }

  #hasPlace(lane: Lane, { bytes }: Entrant): boolean {
    const { maxWaiting, maxWaitingBytes } = this.#options;
    const freeBytes = maxWaitingBytes - this.#waitingBytes;
    return lane.entrants.size < maxWaiting - this.#waiting && lane.bytes + bytes <= freeBytes;
  }

  #count(lane: Lane, { bytes }: Entrant, sign: 1 | -1): void {
    lane.bytes += sign * bytes;
    this.#waitingBytes += sign * bytes;
    this.#waiting += sign;
  }

  #fill(): void {
    const nowMs = this.#options.clock.nowMs();
    const due = ((nowMs - this.#filledAtMs) * this.#options.ratePerS) / 1_000;
    this.#tokens = Math.min(this.#burst, this.#tokens + due);
    this.#filledAtMs = nowMs;
  }

  // The clock's own timers tick every 100 ms: that would be no steady rate.
  #arm(): void {
    this.#timer ??= setTimeout(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    this.#timer = undefined;
    this.#fill();
    while (this.#waiting > 0 && this.#tokens >= 1) {
      this.#tokens -= 1;
      this.#admitNext();
    }
    if (this.#waiting > 0) this.#arm();
  }

  #admitNext(): void {
    for (const [network, lane] of this.#lanes) {
      for (const entrant of lane.entrants) {
        this.leave(entrant);
        // Behind the others
        if (this.#lanes.delete(network)) this.#lanes.set(network, lane);
        entrant.admitted();
        return;
      }
    }
  }
}

/** Those of one network, first come first. */
class Lane {
  readonly entrants: Set<Entrant> = new Set();
  bytes = 0;
}
