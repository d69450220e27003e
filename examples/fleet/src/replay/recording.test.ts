import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { toMovements } from "./movements.ts";
import { readRecording } from "./recording.ts";
import { toRoads } from "./roads.ts";

const buses = readFileSync(new URL("../../data/liverpool-route14.csv", import.meta.url), "utf8");

describe("readRecording()", () => {
  test("reads the recorded buses, in the order of time", () => {
    const positions = readRecording(buses);
    expect(positions).toHaveLength(1_533);
    expect(new Set(positions.map(({ vehicle }) => vehicle)).size).toBe(8);
    expect(positions.every(({ atMs }, i) => i === 0 || atMs >= (positions[i - 1]?.atMs ?? 0))).toBe(true);
    expect(positions.find(({ vehicle }) => vehicle === "4716")).toMatchObject({
      trip: "1091",
      lat: 53.44451,
      lon: -2.925173,
    });
  });

  test("reads any CSV whose header names the columns, with quoted cells", () => {
    const csv = 'time,device,lat,lon,speed\n2026-01-01T00:00:01Z,"van ""1"", red",1.5,2.5,36\n';
    expect(readRecording(csv)).toEqual([
      {
        vehicle: 'van "1", red',
        trip: "",
        atMs: Date.UTC(2026, 0, 1, 0, 0, 1),
        lat: 1.5,
        lon: 2.5,
        bearing: undefined,
        speed: 36,
        origin: undefined,
        destination: undefined,
      },
    ]);
  });

  test("reads GPX, whose speeds are metres a second", () => {
    const gpx = `<?xml version="1.0"?><gpx><trk><name>boat</name><trkseg>
      <trkpt lat="1.5" lon="2.5"><time>2026-01-01T00:00:00Z</time><speed>10</speed><course>90</course></trkpt>
      <trkpt lon="2.6" lat="1.6"><time>2026-01-01T00:00:10Z</time></trkpt>
      </trkseg></trk></gpx>`;
    expect(readRecording(gpx)).toMatchObject([
      { vehicle: "boat", lat: 1.5, lon: 2.5, speed: 36, bearing: 90 },
      { vehicle: "boat", lat: 1.6, lon: 2.6, speed: undefined },
    ]);
  });

  test.each([
    ["time,lat,lon\n", /no column vehicle_id or vehicle or device/],
    ["time,device,lat,lon\n2026-01-01T00:00:00Z,a,north,2\n", /line 2: .*north/],
    ["time,device,lat,lon\nyesterday,a,1,2\n", /line 2: yesterday/],
    ["<gpx></gpx>", /no position/],
  ])("refuses %j, and says what is wrong", (text, reason) => {
    expect(() => readRecording(text)).toThrow(reason);
  });
});

test("movements have the speed and bearing between two positions, where the recording has none", () => {
  const csv = `time,device,lat,lon
2026-01-01T00:00:00Z,a,0,0
2026-01-01T00:00:10Z,a,0,0.001
2026-01-01T01:00:00Z,a,1,0.001
`;
  const [first, second, third] = toMovements(readRecording(csv));
  expect(first).toMatchObject({ speed: undefined, bearing: undefined });
  expect(second?.speed).toBeCloseTo(40.08, 1);
  expect(second?.bearing).toBeCloseTo(90, 5);
  expect(third?.speed).toBeUndefined();
});

test("the roads of the recorded buses are lines without jumps, between two places", () => {
  const { lines, places } = toRoads(readRecording(buses));
  expect(places.map(({ name }) => name)).toEqual(
    ["Queen Square Bus Station", "Petherick Road"].toSorted().reverse(),
  );
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines)
    for (const [i, [lat, lon]] of line.entries()) {
      const before = line[i - 1];
      if (before) expect(Math.hypot(lat - before[0], (lon - before[1]) * 0.6)).toBeLessThan(0.0045);
    }
});
