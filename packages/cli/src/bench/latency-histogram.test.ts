import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LatencyHistogram } from "./latency-histogram.ts";

function histogramOf(micros: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const latency of micros) histogram.add(latency);
  return histogram;
}

const latencies = fc.array(fc.nat(2_000_000_000), { minLength: 1 });

describe("LatencyHistogram", () => {
  test("quantile() is never below the latency in question, and at most 1.6 % above it", () => {
    fc.assert(
      fc.property(latencies, fc.double({ min: 0.01, max: 1, noNaN: true }), (micros, part) => {
        const exact = micros.toSorted((a, b) => a - b)[Math.ceil(part * micros.length) - 1]!;
        const told = histogramOf(micros).quantile(part);
        expect(told).toBeGreaterThanOrEqual(exact);
        expect(told).toBeLessThanOrEqual(exact + Math.max(1, exact / 64));
      }),
    );
  });

  test("quantile(1) is the longest latency itself", () => {
    expect(histogramOf([3, 123_457, 9]).quantile(1)).toBe(123_457);
  });

  test("quantile() of nothing is 0", () => {
    expect(new LatencyHistogram().quantile(0.5)).toBe(0);
  });

  test("ranges() hold every latency once, in order", () => {
    fc.assert(
      fc.property(latencies, (micros) => {
        const ranges = histogramOf(micros).ranges();
        expect(ranges.reduce((sum, { count }) => sum + count, 0)).toBe(micros.length);
        expect(ranges.map(({ toMicros }) => toMicros)).toEqual(
          ranges.map(({ toMicros }) => toMicros).toSorted((a, b) => a - b),
        );
      }),
    );
  });

  test("ranges() begin and end with one that holds something", () => {
    const ranges = histogramOf([15, 15, 700]).ranges();
    expect(ranges.map(({ toMicros, count }) => [toMicros, count])).toEqual([
      [20, 2],
      [50, 0],
      [100, 0],
      [200, 0],
      [500, 0],
      [1_000, 1],
    ]);
  });
});
