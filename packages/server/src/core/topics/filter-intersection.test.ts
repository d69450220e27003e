import { splitLevels, topicMatches } from "@weir/protocol";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { intersectLevels, levelsContain, levelsOverlap } from "./filter-intersection.ts";
import { levelsMatch } from "./filter-matching.ts";

const intersectFilters = (a: string, b: string): string | undefined =>
  intersectLevels(splitLevels(a), splitLevels(b))?.join("/");
const filtersOverlap = (a: string, b: string): boolean => levelsOverlap(splitLevels(a), splitLevels(b));
const filterContains = (outer: string, inner: string): boolean =>
  levelsContain(splitLevels(outer), splitLevels(inner));

/** All sequences of 1 to `depth` of the levels, joined; not the empty text, which is neither topic nor filter. */
function sequences(levels: readonly string[], depth: number): string[] {
  let last = [""];
  const all: string[] = [];
  for (let i = 0; i < depth; i++) {
    last = last.flatMap((prefix) => levels.map((level) => (i === 0 ? level : `${prefix}/${level}`)));
    all.push(...last);
  }
  return all.filter((text) => text !== "");
}

const literals = ["", "a", "b", "$x"];
const closed = sequences([...literals, "+"], 4);
const open = ["#", "/#", ...sequences([...literals, "+"], 3).map((prefix) => `${prefix}/#`)];
/** Every filter of up to 4 levels: 935 of them, so 874,225 pairs. */
const filters = [...new Set([...closed, ...open])];
/** One level more than any filter has, and one literal that no filter names. */
const topics = sequences([...literals, "z"], 5);

/** The topics that a filter matches, one bit each. */
function topicSet(filter: string): Uint32Array {
  const bits = new Uint32Array(Math.ceil(topics.length / 32));
  for (const [i, topic] of topics.entries()) if (topicMatches(filter, topic)) bits[i >>> 5]! |= 1 << (i & 31);
  return bits;
}

const sets = new Map(filters.map((filter) => [filter, topicSet(filter)]));

function forEachPair(
  check: (a: string, b: string, setA: Uint32Array, setB: Uint32Array) => string | undefined,
): void {
  let pairs = 0;
  for (const [a, setA] of sets) {
    for (const [b, setB] of sets) {
      const problem = check(a, b, setA, setB);
      if (problem !== undefined) expect.fail(`${a} and ${b}: ${problem}`);
      pairs++;
    }
  }
  expect(pairs).toBe(935 * 935);
}

describe("for all pairs of filters of up to 4 levels and all topics of up to 5", () => {
  it("intersectFilters() matches exactly the topics that both filters match, or is none [MQTT-4.7.2-1]", () => {
    forEachPair((a, b, setA, setB) => {
      const common = intersectFilters(a, b);
      const set = common === undefined ? undefined : sets.get(common);
      if (common !== undefined && set === undefined) return `${common} is no valid filter`;
      const isRight = setA.every((word, i) => (word & setB[i]!) >>> 0 === (set ? set[i] : 0));
      return isRight ? undefined : `${common} matches other topics`;
    });
  });

  it("filtersOverlap() says whether a topic matches both", () => {
    forEachPair((a, b, setA, setB) => {
      const overlap = setA.some((word, i) => (word & setB[i]!) !== 0);
      return filtersOverlap(a, b) === overlap ? undefined : `overlap is ${overlap}`;
    });
  });

  it("filterContains() says whether the outer filter matches all topics of the inner (semantics.md §1.11)", () => {
    forEachPair((outer, inner, outerSet, innerSet) => {
      const contains = innerSet.every((word, i) => (word & ~outerSet[i]!) === 0);
      return filterContains(outer, inner) === contains ? undefined : `containment is ${contains}`;
    });
  });
});

describe("examples", () => {
  it.each([
    ["#", "a/+/c", "a/+/c"],
    ["+/b", "a/#", "a/b"],
    ["a/#", "a", "a"],
    ["+/#", "a", "a"],
    ["a/+/#", "a/#", "a/+/#"],
    ["data/+/s1", "data/u1/#", "data/u1/s1"],
    ["/#", "+/+", "/+"],
    ["/#", "+", undefined], // the empty text is no topic [MQTT-4.7.3-1]
    ["#", "$SYS/x", undefined],
    ["+/#", "$SYS/x", undefined],
    ["$SYS/#", "$SYS/+/y", "$SYS/+/y"],
    ["a/+", "a", undefined],
    ["a", "b", undefined],
  ])("%s and %s have in common %s", (a, b, common) => {
    expect(intersectFilters(a, b)).toBe(common);
    expect(intersectFilters(b, a)).toBe(common);
  });

  it.each([
    ["#", "+/#", true],
    ["+/#", "#", true],
    ["/+/#", "/#", true],
    ["a/#", "a", true],
    ["a/#", "a/+/#", true],
    ["a/+/#", "a/#", false],
    ["#", "$SYS/#", false],
    ["+/+", "$SYS/+", false],
    ["$SYS/#", "$SYS", true],
    ["a/+", "a/#", false],
  ])("%s contains %s: %s", (outer, inner, contains) => {
    expect(filterContains(outer, inner)).toBe(contains);
  });

  it("a filter of 128 levels is as good as a short one", () => {
    const deep = Array.from({ length: 128 }, (_, i) => (i % 2 ? "+" : "x")).join("/");
    const literal = Array.from({ length: 128 }, (_, i) => (i % 2 ? "y" : "x")).join("/");
    expect(intersectFilters(deep, literal)).toBe(literal);
    expect(filterContains(deep, literal)).toBe(true);
  });
});

describe("deep random filters", () => {
  const level = fc.constantFrom("", "a", "b", "$x", "+");
  const filter = fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 9 }), fc.boolean())
    .map(([levels, isOpen]) => (isOpen ? [...levels, "#"] : levels).join("/"))
    .filter((text) => text !== "");
  const topicLevels = fc.array(fc.constantFrom("", "a", "b", "$x"), { minLength: 10, maxLength: 10 });

  /** A topic that the filter is likely to match. */
  function instance(of: string, fill: readonly string[]): string {
    return of
      .split("/")
      .map((held, i) => (held === "+" || held === "#" ? fill[i]! : held))
      .join("/");
  }

  const isTopic = (text: string): boolean => text !== "";

  it("levelsMatch() is MQTT's matching", () => {
    fc.assert(
      fc.property(filter, filter, topicLevels, (a, b, fill) => {
        for (const topic of [instance(a, fill), instance(b, fill)].filter(isTopic)) {
          expect(levelsMatch(a.split("/"), topic.split("/"))).toBe(topicMatches(a, topic));
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it("the intersection matches a topic if and only if both do", () => {
    fc.assert(
      fc.property(filter, filter, topicLevels, (a, b, fill) => {
        const common = intersectFilters(a, b);
        for (const topic of [instance(a, fill), instance(b, fill), instance(common ?? a, fill)].filter(
          isTopic,
        )) {
          const both = topicMatches(a, topic) && topicMatches(b, topic);
          expect(common !== undefined && topicMatches(common, topic)).toBe(both);
        }
      }),
      { numRuns: 20_000 },
    );
  });
});
