import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSince } from "./since.ts";

const nowMs = Date.UTC(2026, 10, 20, 12);

describe("parseSince", () => {
  it.each([
    ["-10m", nowMs - 600_000],
    ["-90s", nowMs - 90_000],
    ["-1h", nowMs - 3_600_000],
    ["-2d", nowMs - 172_800_000],
    ["-1w", nowMs - 604_800_000],
    ["2026-11-20T11:00:00Z", nowMs - 3_600_000],
    ["2026-11-20t13:00:00.5+02:00", nowMs - 3_600_000 + 500],
    ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
    ["2016-12-31T23:59:60Z", Date.UTC(2016, 11, 31, 23, 59, 59)],
  ])("takes the time %s", (text, atMs) => {
    expect(parseSince(text, nowMs)).toEqual({ kind: "time", atMs });
  });

  it("reads every time of RFC 3339 as a Date does", () => {
    fc.assert(
      fc.property(
        fc.date({
          min: new Date("0001-01-01T00:00:00Z"),
          max: new Date("9999-12-31T23:59:59Z"),
          noInvalidDate: true,
        }),
        (date) => {
          expect(parseSince(date.toISOString(), 0)).toEqual({ kind: "time", atMs: date.getTime() });
        },
      ),
    );
  });

  it("takes a position of any epoch", () => {
    expect(parseSince("p1.abc.z9", 0)).toEqual({ kind: "position", position: "p1.abc.z9" });
    expect(parseSince("p7.x.1.2.3-tag", 0)).toMatchObject({ kind: "position" });
  });

  it.each([
    "",
    "yesterday",
    "10m",
    "-10",
    "-10 m",
    "-1.5h",
    "2026-11-20",
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-11-20T25:00:00Z",
    "2026-11-20T12:00:00",
    `p1.${"x".repeat(1_022)}`,
    "p1.a b",
  ])("refuses %j", (text) => {
    expect(parseSince(text, 0)).toBeUndefined();
  });
});
