import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lowestIds, pageOf } from "./page.ts";

describe("lowestIds()", () => {
  it("finds what sorting the whole list finds", () => {
    const ids = fc.uniqueArray(fc.stringMatching(/^[a-e]{1,3}$/));
    fc.assert(
      fc.property(
        ids,
        fc.stringMatching(/^[a-e]{0,3}$/),
        fc.integer({ min: 1, max: 5 }),
        (all, after, count) => {
          const found = lowestIds(
            all.map((id) => ({ id })),
            after,
            count,
          );
          expect(found.map(({ id }) => id)).toEqual(
            all
              .filter((id) => id > after)
              .sort()
              .slice(0, count),
          );
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("pageOf()", () => {
  it("has a next only where more was found than fits", () => {
    const found = [{ id: "a" }, { id: "b" }];
    expect(pageOf(found, 2)).toEqual({ items: found, next: undefined });
    expect(pageOf(found, 1)).toEqual({ items: [{ id: "a" }], next: "a" });
    expect(pageOf([], 1)).toEqual({ items: [], next: undefined });
  });
});
