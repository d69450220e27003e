import * as fc from "fast-check";
import { expect, it } from "vitest";
import { formatUtc } from "./utc-time.ts";

const [first, last] = [Date.UTC(1, 0, 1) - 1_900 * 365.2425 * 86_400_000, Date.UTC(9999, 11, 31)];

it.each([
  "1970-01-01T00:00:00.000Z",
  "2000-02-29T23:59:59.999Z",
  "2100-03-01T00:00:00.001Z",
  "1969-12-31T23:59:59.999Z",
])("formatUtc() writes %s", (text) => {
  expect(formatUtc(Date.parse(text))).toBe(text);
});

it("formatUtc() writes every time as Date does", () => {
  fc.assert(
    fc.property(fc.integer({ min: Math.ceil(first), max: last }), (timeMs) => {
      expect(formatUtc(timeMs)).toBe(new Date(timeMs).toISOString());
    }),
    { numRuns: 5_000 },
  );
});
