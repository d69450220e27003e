import { describe, expect, it } from "vitest";
import { levelsMatch } from "./filter-matching.ts";
import { SubscriptionTree } from "./subscription-tree.ts";
import { TopicVersions } from "./topic-versions.ts";

function sequences(levels: readonly string[], depth: number): string[][] {
  if (depth === 0) return [[]];
  return levels.flatMap((level) => [
    [level],
    ...sequences(levels, depth - 1).map((rest) => [level, ...rest]),
  ]);
}

const topics = sequences(["", "a", "b", "$x"], 3);
const filters = [
  ["#"],
  ...sequences(["", "a", "b", "$x", "+"], 3).flatMap((levels) => [levels, [...levels, "#"]]),
];

describe("TopicVersions", () => {
  it("every filter that matches a topic changes its sum, of all filters and topics of up to 3 levels", () => {
    const versions = new TopicVersions();
    for (const topic of topics) {
      const slots = versions.slotsFor(topic);
      for (const filter of filters) {
        const before = versions.sum(slots);
        versions.bump(filter);
        if (levelsMatch(filter, topic)) expect(versions.sum(slots)).toBeGreaterThan(before);
      }
    }
  });

  it("a filter with other literals in its first two levels leaves the sum alone (architecture.md §2)", () => {
    const versions = new TopicVersions();
    const slots = versions.slotsFor(["data", "u1", "s1"]);
    const before = versions.sum(slots);
    for (const filter of ["data/u2/#", "data/u2/s1", "news/u1/#", "data", "+/u2/#", "news/#", "+"]) {
      versions.bump(filter.split("/"));
    }
    expect(versions.sum(slots)).toBe(before);
    for (const filter of ["data/u1/+", "data/#", "data/+/s1", "+/u1/#", "#", "+/+/x", "+/#"])
      versions.bump(filter.split("/"));
    expect(versions.sum(slots)).toBe(before + 7);
  });

  it("100,000 users' own filters spread evenly over the counters", () => {
    const versions = new TopicVersions(1_024);
    const perSlot = new Map<number, number>();
    for (let user = 0; user < 100_000; user++) {
      const slot = versions.slotsFor(["data", `user-${user}`])[0];
      perSlot.set(slot, (perSlot.get(slot) ?? 0) + 1);
    }
    expect(perSlot.size).toBe(1_024);
    expect(Math.max(...perSlot.values())).toBeLessThan(200);
  });

  it("the smallest table is still right, only less sharp", () => {
    const versions = new TopicVersions(1);
    const slots = versions.slotsFor(["a", "b"]);
    const before = versions.sum(slots);
    versions.bump(["a", "b"]);
    expect(versions.sum(slots)).toBeGreaterThan(before);
  });
});

describe("SubscriptionTree.versions", () => {
  it("counts each change once, and none where nothing changed", () => {
    const tree = new SubscriptionTree<number>();
    const slots = tree.versions.slotsFor(["a", "b"]);
    const sums: number[] = [];
    const changes = [
      () => tree.add("a/#", 1),
      () => tree.add("a/#", 1),
      () => tree.add("a/#", 2),
      () => tree.remove("a/#", 3),
      () => tree.remove("a/#", 1),
    ];
    for (const change of changes) {
      change();
      sums.push(tree.versions.sum(slots));
    }
    expect(sums).toEqual([1, 1, 2, 2, 3]);
  });
});
