import { expect, test } from "vitest";
import { FakeClock } from "./fake-clock.ts";

test("advance() fires what becomes due on the way, each at its own time, and then soon()", () => {
  const clock = new FakeClock({ startMs: 0 });
  const fired: string[] = [];
  clock.after(250, () => {
    fired.push(`timer at ${clock.nowMs()}`);
    clock.after(100, () => fired.push(`second at ${clock.nowMs()}`));
    clock.soon(() => fired.push("soon"));
  });
  clock.after(250, () => fired.push("cancelled")).cancel();
  expect(clock.pending).toBe(1);
  clock.advance(299);
  expect(fired).toEqual([]);
  clock.advance(701);
  expect(fired).toEqual(["timer at 300", "soon", "second at 400"]);
  expect([clock.nowMs(), clock.pending]).toEqual([1_000, 0]);
});

test("soon() waits for advance(0) or settle()", async () => {
  const clock = new FakeClock();
  const fired: string[] = [];
  clock.soon(() => fired.push("first"));
  await Promise.resolve();
  expect(fired).toEqual([]);
  clock.advance(0);
  expect(fired).toEqual(["first"]);
  clock.soon(() => void Promise.resolve().then(() => clock.soon(() => fired.push("by a promise"))));
  await clock.settle();
  expect(fired).toEqual(["first", "by a promise"]);
});

test("soon: immediate hands callbacks to the event loop", async () => {
  const clock = new FakeClock({ soon: "immediate" });
  await new Promise<void>((resolve) => clock.soon(resolve));
});
