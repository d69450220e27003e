import * as fc from "fast-check";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { levelsOverlap } from "./filter-intersection.ts";
import { levelsMatch } from "./filter-matching.ts";
import { SubscriptionTree } from "./subscription-tree.ts";

/** mulberry32: the same cases for the same seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

type Random = ReturnType<typeof randomFrom>;

const topicLevels = ["", "a", "b", "$x"];
const filterLevels = [...topicLevels, "+", "+"];

function randomTopic(random: Random): string[] {
  const levels = Array.from({ length: 1 + random(4) }, () => topicLevels[random(4)]!);
  return levels.join("") === "" ? ["a", ...levels] : levels;
}

function randomFilter(random: Random): string {
  const levels = Array.from({ length: random(4) }, () => filterLevels[random(6)]!);
  if (random(3) === 0) levels.push("#");
  return levels.join("/") || "a";
}

/** What the tree is, without the tree. */
class NaiveTree {
  readonly pairs = new Map<string, readonly [filter: readonly string[], value: number]>();

  add(filter: string, value: number): void {
    this.pairs.set(`${value} ${filter}`, [filter.split("/"), value]);
  }

  remove(filter: string, value: number): boolean {
    return this.pairs.delete(`${value} ${filter}`);
  }

  match(topic: readonly string[]): number[] {
    const found: number[] = [];
    for (const [filter, value] of this.pairs.values()) if (levelsMatch(filter, topic)) found.push(value);
    return found.sort((a, b) => a - b);
  }
}

function matchOf(tree: SubscriptionTree<number>, topic: readonly string[]): number[] {
  const found: number[] = [];
  tree.match(topic, found);
  return found.sort((a, b) => a - b);
}

describe("SubscriptionTree", () => {
  it("overlapping() finds every filter that has a topic in common with another, once", () => {
    const random = randomFrom(7);
    for (let round = 0; round < 300; round++) {
      const tree = new SubscriptionTree<string>();
      const filters = [...new Set(Array.from({ length: 30 }, () => randomFilter(random)))];
      for (const filter of filters) tree.add(filter, filter);
      const asked = randomFilter(random).split("/");
      const overlaps = (filter: string): boolean => levelsOverlap(asked, filter.split("/"));
      const found: string[] = [];
      tree.overlapping(asked, found);
      expect(new Set(found).size).toBe(found.length);
      expect(found.filter(overlaps).sort()).toEqual(filters.filter(overlaps).sort());
    }
  });

  it("finds what a pass over all filters finds, through 400,000 random changes and searches", () => {
    const seed = 20_260_301;
    const random = randomFrom(seed);
    for (let round = 0; round < 200; round++) {
      const tree = new SubscriptionTree<number>();
      const naive = new NaiveTree();
      for (let step = 0; step < 2_000; step++) {
        const filter = randomFilter(random);
        const value = random(3);
        const action = random(4);
        if (action === 0) {
          tree.add(filter, value);
          naive.add(filter, value);
        } else if (action === 1) {
          expect(tree.remove(filter, value), `seed ${seed}`).toBe(naive.remove(filter, value));
        } else if (step % 8 === 0) {
          const topic = randomTopic(random);
          expect(matchOf(tree, topic), `seed ${seed}, topic ${topic.join("/")}`).toEqual(naive.match(topic));
        }
        if (tree.size !== naive.pairs.size)
          expect.fail(`seed ${seed}: size ${tree.size}, not ${naive.pairs.size}`);
      }
    }
  });

  it("finds what a pass over all filters finds (small counterexamples)", () => {
    const filter = fc
      .array(fc.constantFrom(...filterLevels), { minLength: 1, maxLength: 4 })
      .map((levels) => levels.join("/") || "#");
    const topic = fc.array(fc.constantFrom(...topicLevels), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(filter, { maxLength: 8 }), topic, (filters, levels) => {
        const tree = new SubscriptionTree<number>();
        for (const [i, held] of filters.entries()) tree.add(held, i);
        const expected = filters.flatMap((held, i) => (levelsMatch(held.split("/"), levels) ? [i] : []));
        expect(matchOf(tree, levels)).toEqual(expected);
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    ["#", "a", true],
    ["a/#", "a", true],
    ["a/#", "a/", true],
    ["a/+", "a", false],
    ["a/+", "a/", true],
    ["+/+", "/a", true],
    ["/+", "/a", true],
    ["+", "/a", false],
    ["#", "$SYS/x", false],
    ["+/x", "$SYS/x", false],
    ["$SYS/#", "$SYS/x", true],
    ["a/+", "a/$b", true],
  ])("%s matches %s: %s [MQTT-4.7.1-1, -2, 4.7.2-1]", (filter, topic, isFound) => {
    const tree = new SubscriptionTree<string>();
    tree.add(filter, "value");
    const found: string[] = [];
    tree.match(topic.split("/"), found);
    expect(found).toEqual(isFound ? ["value"] : []);
  });

  it("levels named like properties of objects are ordinary levels", () => {
    const tree = new SubscriptionTree<number>();
    tree.add("__proto__/constructor", 1);
    expect(matchOf(tree, ["__proto__", "constructor"])).toEqual([1]);
    expect(matchOf(tree, ["toString"])).toEqual([]);
  });

  it("100,000 values on one filter come and go in linear time", () => {
    const tree = new SubscriptionTree<object>();
    const values = Array.from({ length: 100_000 }, () => ({}));
    const start = process.cpuUsage();
    for (const value of values) tree.add("news", value);
    const found: object[] = [];
    tree.match(["news"], found);
    expect(found.length).toBe(100_000);
    for (const value of values) tree.remove("news", value);
    expect(tree.size).toBe(0);
    // A search through the array for each removal takes about 5 s
    expect(process.cpuUsage(start).user).toBeLessThan(2_000_000);
  });

  it("what was added and removed leaves no memory behind", () => {
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    const tree = new SubscriptionTree<number>();
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 200_000; i++) {
      const filter = `site-${i}/+/unit-${i}/${i % 2 ? "#" : "state"}`;
      tree.add(filter, i);
      tree.remove(filter, i);
    }
    collectGarbage();
    // The nodes alone would be some 100 MB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(8e6);
    expect(matchOf(tree, ["site-1"])).toEqual([]);
  });
});
