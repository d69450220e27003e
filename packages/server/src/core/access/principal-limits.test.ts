import { expect, it } from "vitest";
import { lowestLimits } from "./principal-limits.ts";

it("lowestLimits() takes the lowest of each, and 0 for none at all", () => {
  expect(lowestLimits([{ connections: 5, publishRate: 10 }, { connections: 0 }, {}])).toEqual({
    connections: 0,
    publishRate: 10,
  });
  expect(lowestLimits([])).toEqual({});
});
