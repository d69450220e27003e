import { describe, expect, it } from "vitest";
import { formatTime, parseTime } from "./rfc3339-time.ts";

describe("parseTime()", () => {
  it.each([
    ["2026-11-20T09:30:00Z", Date.UTC(2026, 10, 20, 9, 30)],
    ["2026-11-20T09:30:00.25+02:00", Date.UTC(2026, 10, 20, 7, 30, 0, 250)],
    ["2026-11-20t09:30:00z", Date.UTC(2026, 10, 20, 9, 30)],
    ["2026-11-20 09:30:00Z", Date.UTC(2026, 10, 20, 9, 30)],
    ["2028-02-29T00:00:00Z", Date.UTC(2028, 1, 29)],
  ])("%s", (text, timeMs) => {
    expect(parseTime(text)).toBe(timeMs);
  });

  it.each([
    "",
    "2026-11-20",
    "2026-11-20T09:30:00",
    "2026-13-01T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-11-20T25:00:00Z",
    "tomorrow",
  ])("refuses %j", (text) => {
    expect(parseTime(text)).toBeUndefined();
  });

  it("reads what formatTime() writes", () => {
    expect(parseTime(formatTime(1_800_000_000_123))).toBe(1_800_000_000_123);
  });
});
