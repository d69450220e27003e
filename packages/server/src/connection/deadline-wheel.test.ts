import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeClock } from "../../../testkit/src/fake-clock.ts";
import { DeadlineWheel, UNWATCHED } from "./deadline-wheel.ts";
import type { Watched } from "./deadline-wheel.ts";

class Deadline implements Watched {
  dueMs = 0;
  slot: number = UNWATCHED;
  previousWatched: Watched | undefined = undefined;
  nextWatched: Watched | undefined = undefined;
  readonly metAtMs: number[] = [];
  next: (nowMs: number) => number | undefined = () => undefined;

  checkDeadline(nowMs: number): number | undefined {
    this.metAtMs.push(nowMs);
    return this.next(nowMs);
  }
}

describe("DeadlineWheel", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("watch" as const),
      who: fc.nat(9),
      inMs: fc.oneof(fc.nat(600), fc.nat(400_000)),
    }),
    fc.record({ kind: fc.constant("forget" as const), who: fc.nat(9) }),
    fc.record({ kind: fc.constant("wait" as const), ms: fc.oneof(fc.nat(1_000), fc.nat(300_000)) }),
  );

  it("meets each deadline once, never early and at most 300 ms late, whatever moves meanwhile", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clock = new FakeClock();
        const wheel = new DeadlineWheel(clock);
        const all = Array.from({ length: 10 }, () => new Deadline());
        const dueAt = new Map<Deadline, number>();
        const settle = (): void => {
          for (const deadline of all) {
            const dueMs = dueAt.get(deadline);
            const metAtMs = deadline.metAtMs.shift();
            if (metAtMs !== undefined) {
              expect(metAtMs).toBeGreaterThanOrEqual(dueMs ?? Infinity);
              expect(metAtMs).toBeLessThanOrEqual((dueMs ?? 0) + 300);
              dueAt.delete(deadline);
            } else if (dueMs !== undefined) expect(clock.nowMs()).toBeLessThanOrEqual(dueMs + 300);
            expect(deadline.metAtMs).toEqual([]);
          }
          expect(wheel.count).toBe(dueAt.size);
        };
        for (const one of steps) {
          if (one.kind === "wait") clock.advance(one.ms);
          else if (one.kind === "forget") {
            wheel.forget(all[one.who] as Deadline);
            dueAt.delete(all[one.who] as Deadline);
          } else {
            wheel.watch(all[one.who] as Deadline, clock.nowMs() + one.inMs);
            dueAt.set(all[one.who] as Deadline, clock.nowMs() + one.inMs);
          }
          settle();
        }
        clock.advance(500_000);
        settle();
        expect([wheel.count, clock.pending]).toEqual([0, 0]);
      }),
      { numRuns: 300 },
    );
  });

  it("asks again when the deadline says, and lets one check forget another", () => {
    const clock = new FakeClock();
    const wheel = new DeadlineWheel(clock);
    const [a, b] = [new Deadline(), new Deadline()];
    a.next = (nowMs) => {
      wheel.forget(b);
      return a.metAtMs.length < 3 ? nowMs + 1_000 : undefined;
    };
    wheel.watch(b, clock.nowMs() + 500);
    wheel.watch(a, clock.nowMs() + 500);
    clock.advance(10_000);
    expect([a.metAtMs.length, b.metAtMs.length]).toEqual([3, 0]);
  });
});
