import type { Clock } from "../ports/clock.ts";
import type { Counters, LimitName } from "../ports/telemetry.ts";
import type { TokenBucket } from "./token-bucket.ts";

/** A bucket that a publisher draws on, perhaps with others. */
export interface PublishBound {
  readonly limit: LimitName;
  readonly bucket: TokenBucket;
}

/** How much a publisher may still publish: of its own, and of its tenant's. */
export class PublishMeter {
  readonly #bounds: readonly PublishBound[];
  readonly #clock: Clock;
  readonly #counters: Counters;

  constructor(bounds: readonly PublishBound[], clock: Clock, counters: Counters) {
    this.#bounds = bounds;
    this.#clock = clock;
    this.#counters = counters;
  }

  /** Takes the message out of every bucket, if none is empty; else counts which is. Returns the milliseconds to wait, 0 for none. */
  take(payloadBytes: number): number {
    const waitMs = this.#waitMs();
    if (waitMs === 0) this.#spend(payloadBytes);
    return waitMs;
  }

  /** Takes the message in any case; returns the milliseconds until the next one may follow, and counts where it has to wait. */
  charge(payloadBytes: number): number {
    this.#spend(payloadBytes);
    return this.#waitMs();
  }

  #spend(payloadBytes: number): void {
    for (const { limit, bucket } of this.#bounds)
      bucket.spend(limit === "limits.publishRate" ? 1 : payloadBytes);
  }

  #waitMs(): number {
    const nowMs = this.#clock.nowMs();
    let longest = 0;
    for (const { limit, bucket } of this.#bounds) {
      const waitMs = bucket.waitMs(nowMs);
      if (waitMs > 0) this.#counters.limitReached[limit] += 1;
      longest = Math.max(longest, waitMs);
    }
    return longest;
  }
}
