import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bindsClientId, globMatches } from "./access-token.ts";

describe("globMatches()", () => {
  it.each([
    ["bus-*", "bus-7", true],
    ["bus-*", "bus-", true],
    ["bus-*", "tram-7", false],
    ["*", "", true],
    ["a*a", "a", false],
    ["a*a", "aa", true],
    ["*-*-x", "1-2-x", true],
    ["*ab*ab", "ab", false],
    ["a.c", "abc", false],
    ["", "", true],
    ["", "a", false],
  ])("%j against %j: %s", (pattern, text, expected) => {
    expect(globMatches(pattern, text)).toBe(expected);
  });

  it("agrees with the regular expression that it stands for", () => {
    const word = fc.stringMatching(/^[ab*]{0,8}$/);
    fc.assert(
      fc.property(word, fc.stringMatching(/^[ab]{0,10}$/), (pattern, text) => {
        const expression = new RegExp(`^${pattern.replaceAll("*", ".*")}$`);
        expect(globMatches(pattern, text)).toBe(expression.test(text));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("bindsClientId()", () => {
  it.each([
    [[], false],
    [["*"], false],
    [["**"], false],
    [["phone-1", "*"], false],
    [["phone-1"], true],
    [["phone-*", "tablet"], true],
  ])("%j: %s", (patterns, expected) => {
    expect(bindsClientId(patterns)).toBe(expected);
  });
});
