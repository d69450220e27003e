import { describe, expect, it } from "vitest";
import { FakeClock } from "@weir/testkit";
import { createCounters } from "../core/ports/telemetry.ts";
import { SteadyAdmission } from "./admission.ts";
import type { Entrant } from "../core/ports/admission.ts";
import type { SteadyAdmissionOptions } from "./admission.ts";

interface Door {
  readonly clock: FakeClock;
  readonly admission: SteadyAdmission;
  /** Whose turn has come, in order. */
  readonly admitted: string[];
  readonly enter: (network: string, bytes?: number) => { readonly turn: string; readonly entrant: Entrant };
}

/** 1,000 a second: 20 at once, then one each millisecond. */
function openDoor(options: Partial<SteadyAdmissionOptions> = {}): Door {
  const clock = new FakeClock();
  const bounds = { ratePerS: 1_000, maxWaiting: 100, maxWaitingBytes: 10_000 };
  const admission = new SteadyAdmission({
    clock,
    counters: createCounters(),
    limit: "limits.connectRate",
    ...bounds,
    ...options,
  });
  const admitted: string[] = [];
  const enter: Door["enter"] = (network, bytes = 1) => {
    const entrant = { address: network, bytes, admitted: () => void admitted.push(network) };
    return { turn: admission.enter(entrant), entrant };
  };
  return { clock, admission, admitted, enter };
}

/** A door whose burst is used up. */
function crowdedDoor(options: Partial<SteadyAdmissionOptions> = {}): Door {
  const door = openDoor(options);
  while (door.enter("crowd").turn === "now");
  door.clock.advance(1);
  return door;
}

/** Waits for the admission's own timer, which is of the process: the time on the clock does not move by itself. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe("SteadyAdmission", () => {
  it("lets a burst of 20 ms in at once, and lines up the rest", () => {
    const { admission, enter } = openDoor();
    const turns = Array.from({ length: 25 }, () => enter("a").turn);
    expect(turns.filter((turn) => turn === "now")).toHaveLength(20);
    expect(admission.waiting).toBe(5);
    admission.close();
  });

  it("admits as many as the time that has passed is worth, and never more than a burst", async () => {
    const { clock, admission, admitted, enter } = openDoor();
    for (let count = 0; count < 70; count++) enter("a");
    clock.advance(7);
    await until(() => admitted.length >= 7);
    expect(admitted).toHaveLength(7);
    clock.advance(60_000);
    await until(() => admitted.length >= 27);
    expect(admitted).toHaveLength(27);
    expect(admission.waiting).toBe(23);
    admission.close();
  });

  it("lets nobody overtake those who wait", () => {
    const { clock, admission, enter } = crowdedDoor();
    clock.advance(60_000);
    expect(enter("late").turn).toBe("later");
    admission.close();
  });

  it("gives networks turns: one that floods the door delays another by one place", async () => {
    const { clock, admission, admitted, enter } = crowdedDoor();
    for (let count = 0; count < 40; count++) enter("flood");
    enter("other");
    clock.advance(5);
    await until(() => admitted.includes("other"));
    expect(admitted.indexOf("other")).toBeLessThan(3);
    admission.close();
  });

  it("leaves half of what is free to the others, in places and in bytes", () => {
    const { admission, enter } = crowdedDoor();
    const flood = Array.from({ length: 100 }, () => enter("flood").turn);
    expect(flood.filter((turn) => turn === "later")).toHaveLength(50);
    expect(enter("other").turn).toBe("later");
    expect(enter("large", 6_000).turn).toBe("later");
    expect(enter("larger", 6_000).turn).toBe("full");
    expect(enter("small", 600).turn).toBe("later");
    admission.close();
  });

  it("forgets who leaves, and passes the turn on", async () => {
    const { clock, admission, admitted, enter } = crowdedDoor();
    const { entrant } = enter("a");
    enter("b");
    admission.leave(entrant);
    admission.leave(entrant);
    clock.advance(10);
    await until(() => admission.waiting === 0);
    expect(admitted).toEqual(["crowd", "b"]);
    admission.close();
  });

  it("counts whoever has to wait or is turned away", () => {
    const counters = createCounters();
    const { admission, enter } = openDoor({ counters, maxWaiting: 1 });
    for (let count = 0; count < 23; count++) enter("a");
    expect(counters.limitReached["limits.connectRate"]).toBe(3);
    admission.close();
  });

  it.each([
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::7", "full"],
    ["2001:db8::6", "2001:db8:0:0:1::", "full"],
    ["2001:db8:1:2::6", "2001:db8:1:3::6", "later"],
    ["::1", "::2", "full"],
    ["192.0.2.7", "192.0.2.8", "later"],
  ])("takes %s and %s for one network, whose place is taken, or not: %s", (first, second, turn) => {
    const { admission, enter } = crowdedDoor({ maxWaiting: 3 });
    expect(enter(first).turn).toBe("later");
    expect(enter(second).turn).toBe(turn);
    admission.close();
  });
});
