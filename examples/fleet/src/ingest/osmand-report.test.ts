import { describe, expect, test } from "vitest";
import { parseOsmandReport } from "./osmand-report.ts";

const NOW_MS = Date.UTC(2026, 10, 20, 12);
const HERE = { lat: "53.4", lon: "-2.9" };

function positionOf(fields: Readonly<Record<string, unknown>>): unknown {
  const report = parseOsmandReport({ ...HERE, ...fields }, NOW_MS);
  return report.kind === "position" ? report.position : report.reason;
}

describe("parseOsmandReport()", () => {
  test.each([
    ["1790000000", "2026-09-21T14:13:20.000Z"],
    ["1790000000500", "2026-09-21T14:13:20.500Z"],
    [1_790_000_000, "2026-09-21T14:13:20.000Z"],
    ["2026-09-21T14:13:20Z", "2026-09-21T14:13:20.000Z"],
    ["2026-09-21 14:13:20", "2026-09-21T14:13:20.000Z"],
    ["2026-09-21T16:13:20+02:00", "2026-09-21T14:13:20.000Z"],
    ["", "2026-11-20T12:00:00.000Z"],
    [undefined, "2026-11-20T12:00:00.000Z"],
  ])("takes the timestamp %j for %s", (timestamp, at) => {
    expect(positionOf({ timestamp })).toMatchObject({ at });
  });

  test("turns knots into kilometres an hour, and leaves out what a receiver did not know", () => {
    expect(positionOf({ speed: "10", bearing: "360" })).toMatchObject({ speed: 18.5, bearing: 0 });
    expect(positionOf({ speed: "-1", bearing: "-1" })).toMatchObject({ speed: null, bearing: null });
    expect(positionOf({ heading: "12.4" })).toMatchObject({ speed: null, bearing: 12 });
  });

  test("takes location=lat,lon as well, and does not mind what else is sent", () => {
    expect(
      positionOf({ lat: undefined, lon: undefined, location: "1.5,2.5", batt: "80", hdop: "x" }),
    ).toMatchObject({
      lat: 1.5,
      lon: 2.5,
    });
  });

  test.each([
    [{ lat: "" }, /^lat/],
    [{ lat: "NaN" }, /^lat/],
    [{ lat: "1e3" }, /^lat/],
    [{ lon: ["1", "2"] }, /^lon/],
    [{ lon: "Infinity" }, /^lon/],
    [{ timestamp: "soon" }, /^timestamp/],
    [{ timestamp: "1" }, /^timestamp/],
    [{ timestamp: String(NOW_MS + 2 * 86_400_000) }, /^timestamp/],
    [{ speed: "1001" }, /^speed/],
    [{ bearing: "north" }, /^bearing/],
    [{ location: "1.5" }, /^lon/],
  ])("refuses %j, and says why", (fields, reason) => {
    expect(positionOf(fields)).toMatch(reason);
  });
});
