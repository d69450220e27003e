import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Position, Sensor, Track } from "weir-fleet/contract";
import { VehicleTrack } from "./vehicle-track.ts";
import { Vehicle } from "./vehicle.ts";

const BEGIN_MS = Date.UTC(2026, 10, 20, 12);

/** Where the vehicle is in the given second. */
function at(second: number): Position {
  return {
    at: new Date(BEGIN_MS + second * 1_000).toISOString(),
    lat: 50 + second / 1_000,
    lon: 0,
    speed: 10,
    bearing: 0,
  };
}

function newVehicle(): Vehicle {
  const sensor: Sensor = {
    id: "s",
    name: "Van",
    ownerId: "u",
    ownerName: "U",
    readers: [],
    lastPosition: null,
  };
  return new Vehicle(sensor);
}

/** A storage that has what was published `behindS` seconds ago. */
class SlowStorage {
  stored = 0;

  readonly load = (_id: string, from: Date): Promise<Track> => {
    const all = Array.from({ length: this.stored }, (_, second) => at(second));
    return Promise.resolve({
      positions: all.filter(({ at: time }) => new Date(time) >= from),
      isTruncated: false,
    });
  };
}

function seconds(track: VehicleTrack): number[] {
  return track.fixes().map(({ atMs }) => (atMs - BEGIN_MS) / 1_000);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, second) => second);

describe("VehicleTrack", () => {
  beforeEach(() => vi.useFakeTimers({ now: BEGIN_MS + 600_000 }));
  afterEach(() => vi.useRealTimers());

  test("asks the storage again until it reaches the first live position", async () => {
    const [vehicle, storage] = [newVehicle(), new SlowStorage()];
    storage.stored = 5;
    vehicle.take(at(8), 0, 0);
    const track = new VehicleTrack(vehicle, 1, storage.load, () => undefined);
    await vi.advanceTimersByTimeAsync(0);
    expect(seconds(track)).toEqual([0, 1, 2, 3, 4, 8]);
    vehicle.take(at(9), 0, 0);
    storage.stored = 9;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(seconds(track)).toEqual(upTo(10));
    storage.stored = 100;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(seconds(track)).toEqual(upTo(10)); // it does not ask any longer
    track.close();
  });

  test("fills the gap of an interrupted connection", async () => {
    const [vehicle, storage] = [newVehicle(), new SlowStorage()];
    storage.stored = 3;
    vehicle.take(at(2), 0, 0);
    const track = new VehicleTrack(vehicle, 1, storage.load, () => undefined);
    await vi.advanceTimersByTimeAsync(0);
    expect(seconds(track)).toEqual(upTo(3));
    vehicle.interrupted();
    vehicle.take(at(7), 0, 0);
    void track.reload();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(seconds(track)).toEqual([0, 1, 2, 7]);
    storage.stored = 8;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(seconds(track)).toEqual(upTo(8));
    track.close();
  });

  test("says that it cannot be loaded, and is there when it can", async () => {
    const [vehicle, storage] = [newVehicle(), new SlowStorage()];
    let isAway = true;
    const load = (id: string, from: Date): Promise<Track> =>
      isAway ? Promise.reject(new Error("away")) : storage.load(id, from);
    const track = new VehicleTrack(vehicle, 1, load, () => undefined);
    await vi.advanceTimersByTimeAsync(0);
    expect(track.state).toBe("failed");
    isAway = false;
    storage.stored = 2;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(track.state).toBe("ready");
    expect(seconds(track)).toEqual([0, 1]);
    track.close();
  });
});

describe("Vehicle.take()", () => {
  test("keeps a late position in its place, and a repeated one once; neither moves the vehicle", () => {
    const vehicle = newVehicle();
    expect(vehicle.take(at(1), 0, 0)).toBe(true);
    expect(vehicle.take(at(3), 0, 0)).toBe(true);
    expect(vehicle.take(at(2), 0, 0)).toBe(false);
    expect(vehicle.take(at(3), 0, 0)).toBe(false);
    expect(vehicle.recent.map(({ atMs }) => atMs - BEGIN_MS)).toEqual([1_000, 2_000, 3_000]);
    expect(vehicle.last?.lat).toBe(at(3).lat);
  });

  test("glides to a new position, and is there in the end", () => {
    const vehicle = newVehicle();
    vehicle.take(at(0), 0, 0);
    const [from, to] = [vehicle.pointAt(0).y, (vehicle.take(at(100), 0, 1_000), vehicle.last?.point.y ?? 0)];
    expect(vehicle.pointAt(500).y).toBeCloseTo((from + to) / 2, 12);
    expect(vehicle.isGliding).toBe(true);
    expect(vehicle.pointAt(1_000).y).toBe(to);
    expect(vehicle.isGliding).toBe(false);
  });
});
