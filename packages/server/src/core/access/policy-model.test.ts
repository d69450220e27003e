import { type Qos, topicMatches, splitLevels } from "@weir/protocol";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { levelsContain } from "../topics/filter-intersection.ts";
import { compilePolicy, type Policy, type PolicyEntry } from "./policy.ts";

const someone = { subject: "u1", clientId: "c1" };

const literals = ["", "a", "b", "$x"];

/** All topics of up to 3 levels, but the empty one. */
const topics = literals
  .flatMap((a) => [a, ...literals.flatMap((b) => [`${a}/${b}`, ...literals.map((c) => `${a}/${b}/${c}`)])])
  .filter((topic) => topic !== "");
const levelsOf = topics.map((topic) => topic.split("/"));
const naiveSets = new Map<string, readonly boolean[]>();

function naiveSet(filter: string): readonly boolean[] {
  let set = naiveSets.get(filter);
  if (!set) naiveSets.set(filter, (set = topics.map((topic) => topicMatches(filter, topic))));
  return set;
}

/** The highest QoS at which the entries let the topic be read, or -1. */
function naiveReadQos(entries: readonly PolicyEntry[], at: number): number {
  let qos = -1;
  for (const entry of entries) {
    if (!entry.actions.includes("subscribe") || !naiveSet(entry.topic)[at]) continue;
    if (entry.effect === "deny") return -1;
    qos = Math.max(qos, entry.maxQos ?? 2);
  }
  return qos;
}

function naivePublish(entries: readonly PolicyEntry[], at: number, qos: Qos, retain: boolean): boolean {
  const matching = entries.filter((entry) => entry.actions.includes("publish") && naiveSet(entry.topic)[at]);
  if (matching.some((entry) => entry.effect === "deny")) return false;
  return matching.some((entry) => (entry.maxQos ?? 2) >= qos && (entry.retain !== false || !retain));
}

/** The QoS at which a subscription with these effective filters delivers the topic, or -1: what routing does. */
function deliveredQos(by: Policy, granted: ReturnType<Policy["effectiveFilters"]>, at: number): number {
  let qos = -1;
  for (const { filter, qos: bound } of granted.filters) if (naiveSet(filter)[at]) qos = Math.max(qos, bound);
  if (!granted.checked || qos < 0) return qos;
  return Math.min(qos, by.readQos(topics[at]!, levelsOf[at]!) ?? -1);
}

/** What is wrong with the policy that is compiled from the entries, or undefined. */
function disagreement(
  entries: readonly PolicyEntry[],
  requested: string,
  { qos, retain, limit }: { readonly qos: Qos; readonly retain: boolean; readonly limit: number },
): string | undefined {
  const by = compilePolicy(entries, someone);
  const granted = by.effectiveFilters(requested, qos, limit);
  if (granted.filters.length > Math.max(limit, 1)) return "too many effective filters";
  for (let at = 0; at < topics.length; at++) {
    const readable = naiveReadQos(entries, at);
    const expected = naiveSet(requested)[at] ? Math.min(qos, readable) : -1;
    if (deliveredQos(by, granted, at) !== expected) return `${topics[at]} is not delivered at ${expected}`;
    if ((by.readQos(topics[at]!, levelsOf[at]!) ?? -1) !== readable)
      return `${topics[at]} is not readable at ${readable}`;
    const verdict = by.checkPublish(topics[at]!, levelsOf[at]!, qos, retain);
    if ((verdict === "allowed") !== naivePublish(entries, at, qos, retain))
      return `publishing to ${topics[at]}: ${verdict}`;
  }
  return grantProblem(entries, requested, granted);
}

function grantProblem(
  entries: readonly PolicyEntry[],
  requested: string,
  { filters, narrowed }: ReturnType<Policy["effectiveFilters"]>,
): string | undefined {
  const containsAnother = filters.some((a, i) =>
    filters.some(
      (b, j) => i !== j && a.qos >= b.qos && levelsContain(splitLevels(a.filter), splitLevels(b.filter)),
    ),
  );
  if (containsAnother) return "the effective filters are not minimal";
  const allows = entries.filter((entry) => entry.effect !== "deny");
  const isWider = naiveSet(requested).some((isAsked, at) => isAsked && naiveReadQos(allows, at) < 0);
  return isWider && !narrowed ? "it is narrowed, and does not say so" : undefined;
}

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

function randomFilter(random: Random): string {
  const levels = Array.from({ length: random(4) }, () => [...literals, "+", "+"][random(6)]!);
  if (random(3) === 0) levels.push("#");
  return levels.join("/") || "#";
}

function randomEntry(random: Random): PolicyEntry {
  const actions = (["publish", "subscribe"] as const).filter(() => random(4) > 0);
  const topic = randomFilter(random);
  if (random(4) === 0) return { effect: "deny", actions, topic };
  return { actions, topic, maxQos: random(3) as Qos, retain: random(2) === 0 };
}

describe("the compiled policy and the effective filters", () => {
  it("deliver, read and publish exactly what a look at each entry says: 7.5 million random cases", () => {
    const seed = 20_260_302;
    const random = randomFrom(seed);
    for (let round = 0; round < 30_000; round++) {
      // One policy in 20 is long enough for the index; one limit in 3 is low enough to be exceeded.
      const entries = Array.from({ length: random(20) === 0 ? 13 + random(200) : random(7) }, () =>
        randomEntry(random),
      );
      const requested = randomFilter(random);
      const limit = random(3) === 0 ? random(4) : 64;
      const problem = disagreement(entries, requested, {
        qos: random(3) as Qos,
        retain: random(2) === 0,
        limit,
      });
      if (problem) expect.fail(`seed ${seed}: ${requested} under ${JSON.stringify(entries)}: ${problem}`);
    }
  });

  it("deliver, read and publish exactly what a look at each entry says (small counterexamples)", () => {
    const actions = ["publish", "subscribe"] as const;
    const level = fc.constantFrom(...literals, "+");
    const filter = fc
      .tuple(fc.array(level, { maxLength: 3 }), fc.boolean())
      .map(([levels, isOpen]) => (isOpen ? [...levels, "#"] : levels).join("/") || "#");
    const qos = fc.constantFrom<Qos>(0, 1, 2);
    const allowing = fc
      .record({ topic: filter, maxQos: qos, retain: fc.boolean() })
      .map((bounds): PolicyEntry => ({ actions, ...bounds }));
    const entries = fc.array(
      fc.oneof(
        allowing,
        filter.map((topic): PolicyEntry => ({ effect: "deny", actions, topic })),
      ),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(
        entries,
        filter,
        fc.record({ qos, retain: fc.boolean(), limit: fc.nat(4) }),
        (held, requested, asked) => {
          expect(disagreement(held, requested, asked)).toBeUndefined();
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
