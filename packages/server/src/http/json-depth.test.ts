import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isNestedDeeper } from "./json-depth.ts";

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe("isNestedDeeper", () => {
  it("agrees with what the text says, brackets and quotes in strings and names too", () => {
    const text = fc.string({ unit: fc.constantFrom("[", "]", "{", "}", '"', "\\", "a", ",", ":") });
    const value = fc.letrec((tie) => ({
      any: fc.oneof({ maxDepth: 6 }, text, fc.array(tie("any")), fc.dictionary(text, tie("any"))),
    })).any;
    fc.assert(
      fc.property(value, fc.integer({ min: 0, max: 8 }), (any, levels) => {
        expect(isNestedDeeper(JSON.stringify(any), levels)).toBe(depthOf(any) > levels);
      }),
    );
  });

  it("bears any depth, and text that is no JSON", () => {
    expect(isNestedDeeper("[".repeat(1_000_000), 2_000_000)).toBe(false);
    expect(isNestedDeeper(']]]"[[[', 0)).toBe(false);
  });
});
