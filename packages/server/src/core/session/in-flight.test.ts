import { describe, expect, it } from "vitest";
import { Random } from "../../../testing/random.ts";
import { InFlight, type InFlightEntry } from "./in-flight.ts";

function entryOf(packetId: number): InFlightEntry {
  return {
    packetId,
    qos: 1,
    state: "sent",
    message: undefined,
    seq: undefined,
    retain: false,
    identifiers: undefined,
    origin: undefined,
    hasPosition: false,
    isOutstanding: true,
  };
}

function added(inFlight: InFlight): number {
  const packetId = inFlight.nextId() as number;
  inFlight.add(entryOf(packetId));
  return packetId;
}

function ids(inFlight: InFlight): number[] {
  return inFlight.inOrder().map((entry) => entry.packetId);
}

describe("InFlight", () => {
  it("gives 1 first, then upwards, and after 65,535 begins anew [MQTT-2.2.1-4]", () => {
    const inFlight = new InFlight();
    for (let expected = 1; expected <= 65_535; expected += 1) {
      expect(inFlight.nextId()).toBe(expected);
    }
    expect(inFlight.nextId()).toBe(1);
  });

  it("gives no id that is in use, and none when all are", () => {
    const inFlight = new InFlight();
    for (let count = 0; count < 65_535; count += 1) added(inFlight);
    expect([inFlight.count, inFlight.nextId()]).toEqual([65_535, undefined]);
    inFlight.delete(4_711);
    expect(inFlight.nextId()).toBe(4_711);
  });

  it("lists the oldest first, also around the end of the ids", () => {
    const inFlight = new InFlight();
    inFlight.continueAfter(65_533);
    for (let count = 0; count < 4; count += 1) added(inFlight);
    expect(ids(inFlight)).toEqual([65_534, 65_535, 1, 2]);
  });

  it("takes ids back from a record, and goes on after the last of them", () => {
    const inFlight = new InFlight();
    inFlight.continueAfter(40_000);
    for (const packetId of [39_000, 7, 16 + 7, 40_000]) inFlight.add(entryOf(packetId));
    expect(ids(inFlight)).toEqual([7, 23, 39_000, 40_000]);
    expect(added(inFlight)).toBe(40_001);
  });

  it.each(Array.from({ length: 10 }, (_, index) => index + 1))("is a Map by packet id: seed %i", (seed) => {
    const random = new Random(seed);
    const inFlight = new InFlight();
    const model = new Map<number, InFlightEntry>();
    inFlight.continueAfter(random.below(65_535));
    for (let step = 0; step < 3_000; step += 1) {
      if (random.chance(model.size < 200 ? 0.6 : 0.4)) {
        const packetId = inFlight.nextId() as number;
        expect(model.has(packetId)).toBe(false);
        const entry = entryOf(packetId);
        inFlight.add(entry);
        model.set(packetId, entry);
      } else {
        const packetId = random.chance(0.9) ? random.pick([...model.keys(), 1]) : 1 + random.below(65_535);
        expect(inFlight.get(packetId)).toBe(model.get(packetId));
        inFlight.delete(packetId);
        model.delete(packetId);
      }
      expect(inFlight.count).toBe(model.size);
    }
    expect(ids(inFlight)).toEqual([...model.keys()]);
  });
});
