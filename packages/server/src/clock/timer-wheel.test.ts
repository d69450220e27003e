import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FakeClock } from "@weir/testkit";
import type { Timer } from "../core/ports/clock.ts";
import { TimerWheel } from "./timer-wheel.ts";

const startMs = 1_700_000_000_000;

describe("TimerWheel", () => {
  test("fires at the first tick that is not earlier than due, in the order of adding, once", () => {
    const wheel = new TimerWheel({ startMs });
    const fired: string[] = [];
    wheel.after(startMs, 200, () => fired.push("200"));
    wheel.after(startMs, 101, () => fired.push("101"));
    wheel.after(startMs, 100, () => fired.push("100"));
    wheel.after(startMs, 0, () => fired.push("0"));
    wheel.advance(startMs + 99);
    expect(fired).toEqual([]);
    wheel.advance(startMs + 100);
    expect(fired).toEqual(["100", "0"]);
    wheel.advance(startMs + 200);
    wheel.advance(startMs + 10_000);
    expect(fired).toEqual(["100", "0", "200", "101"]);
    expect(wheel.size).toBe(0);
  });

  test("callbacks may cancel others of the same tick, and add timers to it", () => {
    const wheel = new TimerWheel({ startMs, slots: 4 });
    const fired: string[] = [];
    const timers: Timer[] = [];
    wheel.after(startMs, 100, () => {
      fired.push("first");
      timers[0]!.cancel();
      wheel.after(startMs + 100, 0, () => fired.push("added"));
      wheel.after(startMs + 100, 400, () => fired.push("same slot"));
    });
    timers.push(wheel.after(startMs, 100, () => fired.push("cancelled")));
    wheel.after(startMs, 100, () => fired.push("third"));
    wheel.advance(startMs + 100);
    expect(fired).toEqual(["first", "third"]);
    wheel.advance(startMs + 200);
    expect(fired).toEqual(["first", "third", "added"]);
    wheel.advance(startMs + 500);
    expect(fired).toEqual(["first", "third", "added", "same slot"]);
  });

  test("cancel() does nothing after the timer fired, and again", () => {
    const wheel = new TimerWheel({ startMs });
    const timer = wheel.after(startMs, 0, () => {});
    const other = wheel.after(startMs, 500, () => {});
    wheel.advance(startMs + 100);
    timer.cancel();
    timer.cancel();
    expect(wheel.size).toBe(1);
    other.cancel();
    other.cancel();
    expect(wheel.size).toBe(0);
  });

  test("a callback that throws ends the advance, and the others of its tick fire at the next", () => {
    const wheel = new TimerWheel({ startMs });
    const fired: string[] = [];
    wheel.after(startMs, 100, () => {
      throw new Error("broken");
    });
    wheel.after(startMs, 100, () => fired.push("other"));
    expect(() => wheel.advance(startMs + 100)).toThrow("broken");
    wheel.advance(startMs + 101);
    expect(fired).toEqual(["other"]);
  });

  test("an infinite delay never fires and counts as no timer; a negative one is due at once", () => {
    const wheel = new TimerWheel({ startMs });
    let fired = 0;
    wheel.after(startMs, Infinity, () => (fired += 10)).cancel();
    wheel.after(startMs, -5, () => (fired += 1));
    expect(wheel.size).toBe(1);
    wheel.advance(startMs + 1_000_000);
    expect(fired).toBe(1);
  });
});

interface Plan {
  readonly delayMs: number;
  /** Which other timer its callback cancels. */
  readonly cancels: number | undefined;
  /** What its callback adds. */
  readonly addsMs: number | undefined;
}

const delayMs = fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 0, max: 100_000 }));
const option = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });
const plan: fc.Arbitrary<Plan> = fc.record({
  delayMs,
  cancels: option(fc.nat(20)),
  addsMs: option(delayMs),
});
const step = fc.oneof(
  fc.record({ add: plan }),
  fc.record({ cancel: fc.nat(20) }),
  fc.record({ advance: fc.oneof(fc.integer({ min: 0, max: 350 }), fc.integer({ min: 0, max: 30_000 })) }),
);

interface TimerSource {
  nowMs(): number;
  after(delayMs: number, callback: () => void): Timer;
  advance(ms: number): void;
}

function sourceOfWheel(): TimerSource {
  const wheel = new TimerWheel({ startMs, slots: 8 });
  let nowMs = startMs;
  return {
    nowMs: () => nowMs,
    after: (delayMs, callback) => wheel.after(nowMs, delayMs, callback),
    advance(ms) {
      const targetMs = nowMs + ms;
      // As the interval of a running clock does, each tick at its time.
      for (let tickMs = nextTickMs(nowMs); tickMs <= targetMs; tickMs += 100) wheel.advance((nowMs = tickMs));
      wheel.advance((nowMs = targetMs));
    },
  };
}

function nextTickMs(nowMs: number): number {
  return startMs + (Math.floor((nowMs - startMs) / 100) + 1) * 100;
}

/** Plays the steps and tells what fired when. */
function play(
  source: TimerSource,
  steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[],
): string[] {
  const fired: string[] = [];
  const timers: Timer[] = [];
  const add = ({ delayMs, cancels, addsMs }: Plan): void => {
    const number = timers.length;
    const dueMs = source.nowMs() + delayMs;
    const callback = (): void => {
      const lateMs = source.nowMs() - dueMs;
      fired.push(`timer ${number} at ${source.nowMs()}`);
      expect(lateMs).toBeGreaterThanOrEqual(0);
      expect(lateMs).toBeLessThanOrEqual(100);
      if (cancels !== undefined) timers[cancels]?.cancel();
      if (addsMs !== undefined) add({ delayMs: addsMs, cancels: undefined, addsMs: undefined });
    };
    timers.push(source.after(delayMs, callback));
  };
  for (const one of steps) {
    if ("add" in one) add(one.add);
    else if ("cancel" in one) timers[one.cancel]?.cancel();
    else source.advance(one.advance);
  }
  source.advance(300_000);
  return fired;
}

describe("TimerWheel and FakeClock", () => {
  test("fire the same timers at the same times in the same order: never early, at most one tick late", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        expect(play(sourceOfWheel(), steps)).toEqual(play(new FakeClock({ startMs }), steps));
      }),
      { numRuns: 500 },
    );
  });

  test("a wheel that is advanced late, over many rounds at once, fires everything that is due in the order of time", () => {
    fc.assert(
      fc.property(fc.array(delayMs, { maxLength: 50 }), (delays) => {
        const wheel = new TimerWheel({ startMs, slots: 8 });
        const fired: number[] = [];
        for (const delay of delays) wheel.after(startMs, delay, () => fired.push(Math.ceil(delay / 100)));
        wheel.advance(startMs + 50_000);
        const due = delays.filter((delay) => delay <= 50_000).map((delay) => Math.ceil(delay / 100));
        expect(fired.map((tick) => Math.max(tick, 1))).toEqual(
          due.map((tick) => Math.max(tick, 1)).toSorted((a, b) => a - b),
        );
        expect(wheel.size).toBe(delays.length - due.length);
      }),
    );
  });
});
