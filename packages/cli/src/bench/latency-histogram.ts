const SUB_BITS = 6;
const SUB_BUCKETS = 1 << SUB_BITS;
const MAX_MICROS = 2 ** 31 - 1;
const POWERS = 32 - SUB_BITS;

/** A range of latencies, in microseconds, and how many fell into it. */
export interface LatencyRange {
  readonly fromMicros: number;
  readonly toMicros: number;
  readonly count: number;
}

/** Latencies in buckets that grow with them: each is known to 1.6 %, in 7 KB, however many there are. */
export class LatencyHistogram {
  count = 0;
  maxMicros = 0;
  readonly #buckets = new Float64Array((POWERS + 1) * SUB_BUCKETS);

  add(micros: number): void {
    const whole = Math.min(MAX_MICROS, Math.max(0, Math.round(micros)));
    const index = indexOf(whole);
    this.#buckets[index] = this.#buckets[index]! + 1;
    this.count++;
    if (whole > this.maxMicros) this.maxMicros = whole;
  }

  clear(): void {
    this.#buckets.fill(0);
    this.count = 0;
    this.maxMicros = 0;
  }

  /**
   * The latency, in microseconds, that this part of all messages did not exceed.
   *
   * @example histogram.quantile(0.99)
   */
  quantile(part: number): number {
    const wanted = Math.max(1, Math.ceil(part * this.count));
    let seen = 0;
    for (let index = 0; index < this.#buckets.length; index++) {
      seen += this.#buckets[index]!;
      if (seen >= wanted) return Math.min(this.maxMicros, lowerBound(index + 1));
    }
    return 0;
  }

  /** The counts between the limits 1, 2, 5, 10, 20, … microseconds, from the first range that holds something to the last. */
  ranges(): LatencyRange[] {
    const ranges: LatencyRange[] = [];
    let index = 0;
    for (let decade = 1, fromMicros = 0; index < this.#buckets.length; decade *= 10) {
      for (const step of [1, 2, 5]) {
        const toMicros = decade * step;
        let count = 0;
        while (index < this.#buckets.length && lowerBound(index) < toMicros) count += this.#buckets[index++]!;
        ranges.push({ fromMicros, toMicros, count });
        fromMicros = toMicros;
      }
    }
    const first = ranges.findIndex(({ count }) => count > 0);
    return first < 0 ? [] : ranges.slice(first, ranges.findLastIndex(({ count }) => count > 0) + 1);
  }
}

function indexOf(whole: number): number {
  if (whole < SUB_BUCKETS) return whole;
  const shift = 31 - Math.clz32(whole) - SUB_BITS;
  return ((shift + 1) << SUB_BITS) + (whole >> shift) - SUB_BUCKETS;
}

/** The least latency that falls into the bucket. */
function lowerBound(index: number): number {
  if (index < SUB_BUCKETS) return index;
  const shift = (index >> SUB_BITS) - 1;
  return (SUB_BUCKETS + (index & (SUB_BUCKETS - 1))) * 2 ** shift;
}
