import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { readRecording } from "./bus-positions.ts";
import { toReports, type BusReport } from "./bus-reports.ts";
import { ownerOf } from "./demo-users.ts";
import { Replay } from "./replay.ts";
import { toRoads } from "./roads.ts";

const positions = readRecording();

describe("the recording", () => {
  test("has 1,533 positions of 8 buses in the order of time, each with an owner", () => {
    expect(positions).toHaveLength(1_533);
    expect(positions.every((position, i) => i === 0 || position.atMs >= (positions[i - 1]?.atMs ?? 0))).toBe(
      true,
    );
    const buses = [...new Set(positions.map(({ bus }) => bus))].sort();
    expect(Object.fromEntries(Map.groupBy(buses, ownerOf))).toEqual({
      alice: ["4716", "4733", "4836"],
      bob: ["4720", "4803", "4841"],
      carol: ["4722", "4842"],
    });
  });

  test("a line that is no position is named", () => {
    const header =
      "id,vehicle_id,trip_id,timestamp,latitude,longitude,bearing,origin,destination,route_name,direction,operator";
    expect(() => readRecording(`${header}\n1,"4716","1",soon,53,-2,,A,B,"14",outbound,X`)).toThrow(
      /Line 2 of the recording/,
    );
    expect(() => readRecording("a,b\n")).toThrow(/other columns/);
  });

  test("a bus without a bearing has that of its movement", () => {
    const row = (at: string, lat: number) =>
      `1,"7","1","2026-01-26 ${at}",${lat},-2.9,,A_B,C_D,"14",outbound,X`;
    const header =
      "id,vehicle_id,trip_id,timestamp,latitude,longitude,bearing,origin,destination,route_name,direction,operator";
    const [first, second] = toReports(
      readRecording([header, row("16:00:00", 53.4), row("16:01:00", 53.39)].join("\n")),
    );
    expect(first).toMatchObject({ bearing: null, speed: null, destination: "C D" });
    expect(second).toMatchObject({ bearing: 180, speed: 66.8, at: "2026-01-26T16:01:00.000Z" });
  });

  test("the roads run from the first stop to the last", () => {
    const { lines, places } = toRoads(positions);
    expect(places.map(({ name }) => name)).toEqual(["Queen Square Bus Station", "Petherick Road"]);
    expect(lines.length).toBeGreaterThan(10);
  });
});

describe("Replay", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const report = (bus: string, second: number): BusReport => ({
    bus,
    at: new Date(second * 1_000).toISOString(),
    lat: second,
    lon: 0,
    bearing: null,
    speed: null,
    route: "14",
    direction: "outbound",
    destination: "B",
  });

  test("gives the latest of each bus at once, then each at its time, and begins anew", () => {
    const reports = [report("a", 0), report("b", 10), report("a", 20), report("b", 40)];
    const given: string[] = [];
    const replay = new Replay({
      reports,
      speed: 10,
      fromMs: 15_000,
      publish: ({ bus, lat }) => given.push(`${bus}${lat}`),
    });
    replay.start();
    expect(given).toEqual(["a0", "b10"]);
    vi.advanceTimersByTime(500);
    expect(given).toEqual(["a0", "b10", "a20"]);
    vi.advanceTimersByTime(2_000);
    expect(given).toEqual(["a0", "b10", "a20", "b40"]);
    vi.advanceTimersByTime(3_000 + 1_000);
    expect(given).toEqual(["a0", "b10", "a20", "b40", "a0", "b10"]);
    replay.stop();
    vi.advanceTimersByTime(60_000);
    expect(given).toHaveLength(6);
  });
});
