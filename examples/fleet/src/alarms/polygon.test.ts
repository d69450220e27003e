import fc from "fast-check";
import { expect, test } from "vitest";
import { isInside } from "./polygon.ts";

const SQUARE = [
  [0, 0],
  [0, 10],
  [10, 10],
  [10, 0],
] as const;
/** A square with a bay in its north. */
const BAY = [
  [0, 0],
  [0, 10],
  [10, 10],
  [10, 6],
  [4, 5],
  [10, 4],
  [10, 0],
] as const;

test("a place is inside a square if both of its coordinates are", () => {
  const coordinate = fc.double({ min: -5, max: 15, noNaN: true }).filter((value) => value % 10 !== 0);
  fc.assert(
    fc.property(coordinate, coordinate, (lat, lon) => {
      expect(isInside(SQUARE, lat, lon)).toBe(lat > 0 && lat < 10 && lon > 0 && lon < 10);
    }),
  );
});

test("a bay is outside, and the land around it inside", () => {
  expect(isInside(BAY, 8, 5)).toBe(false);
  expect(isInside(BAY, 3, 5)).toBe(true);
  expect(isInside(BAY, 8, 2)).toBe(true);
  expect(isInside(BAY, 8, 8)).toBe(true);
});

test("the direction in which an area was drawn does not matter", () => {
  expect(isInside(BAY.toReversed(), 8, 5)).toBe(false);
  expect(isInside(BAY.toReversed(), 3, 5)).toBe(true);
});
