import { expect, test, vi } from "vitest";
import { SystemClock } from "./system-clock.ts";

test("nowMs() begins at the wall clock and never goes back", () => {
  const clock = new SystemClock();
  expect(Math.abs(clock.nowMs() - Date.now())).toBeLessThan(60_000);
  let last = clock.nowMs();
  for (let index = 0; index < 1_000; index++) {
    const now = clock.nowMs();
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
  }
  clock.close();
});

test("after() calls back, not earlier than asked; not when cancelled", async () => {
  const clock = new SystemClock();
  let cancelled = 0;
  clock.after(1, () => (cancelled += 1)).cancel();
  const startMs = clock.nowMs();
  await new Promise<void>((resolve) => void clock.after(120, resolve));
  expect(clock.nowMs() - startMs).toBeGreaterThanOrEqual(120);
  expect(cancelled).toBe(0);
  clock.close();
});

test("soon() calls back in a later turn", async () => {
  const clock = new SystemClock();
  const order: string[] = [];
  const called = new Promise<void>((resolve) => clock.soon(() => resolve(void order.push("soon"))));
  await Promise.resolve().then(() => order.push("microtask"));
  await called;
  expect(order).toEqual(["microtask", "soon"]);
  clock.close();
});

test.each([
  ["forward by a day", 86_400_000],
  ["back by a day", -86_400_000],
])("timers and nowMs() go on as before when the machine's clock jumps %s", async (_, jumpMs) => {
  const clock = new SystemClock();
  const wallMs = Date.now.bind(Date);
  const startMs = clock.nowMs();
  let early = 0;
  const late = clock.after(60_000, () => (early += 1));
  vi.spyOn(Date, "now").mockImplementation(() => wallMs() + jumpMs);
  try {
    await new Promise<void>((resolve) => void clock.after(200, resolve));
    expect(clock.nowMs() - startMs).toBeGreaterThanOrEqual(200);
    expect(clock.nowMs() - startMs).toBeLessThan(60_000);
    expect(early).toBe(0);
  } finally {
    vi.restoreAllMocks();
    late.cancel();
    clock.close();
  }
});
