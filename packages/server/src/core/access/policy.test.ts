import type { Qos } from "@weir/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { filterContains } from "../topics/filter-intersection.ts";
import { compilePolicy, Policy, type PolicyEntry } from "./policy.ts";

const someone = { subject: "u1", clientId: "c1", tokenId: "t1" };

function policy(...entries: PolicyEntry[]): Policy {
  return compilePolicy(entries, someone);
}

function allow(topic: string, bounds: Partial<PolicyEntry> = {}): PolicyEntry {
  return { actions: ["publish", "subscribe"], topic, ...bounds };
}

function deny(topic: string): PolicyEntry {
  return { effect: "deny", actions: ["publish", "subscribe"], topic };
}

function publish(by: Policy, topic: string, qos: Qos = 0, retain = false): string {
  return by.checkPublish(topic, topic.split("/"), qos, retain);
}

function reads(by: Policy, topic: string): Qos | undefined {
  const qos = by.readQos(topic, topic.split("/"));
  expect(by.canRead(topic, topic.split("/"))).toBe(qos !== undefined);
  return qos;
}

function grant(by: Policy, filter: string, qos: Qos = 2): string[] {
  return by.effectiveFilters(filter, qos).filters.map((granted) => `${granted.filter} ${granted.qos}`);
}

describe("publishing (product.md, Access control)", () => {
  it("is denied where nothing matches", () => {
    expect(publish(policy(), "a")).toBe("denied");
    expect(publish(policy(allow("data/${subject}/#")), "data/u2/s1")).toBe("denied");
    expect(publish(policy({ actions: ["subscribe"], topic: "#" }), "a")).toBe("denied");
  });

  it("is allowed by an allow entry, unless a deny entry matches, wherever that stands", () => {
    const by = policy(deny("data/u1/secret"), allow("data/${subject}/#"), deny("data/+/locked/#"));
    expect(publish(by, "data/u1/s1")).toBe("allowed");
    expect(publish(by, "data/u1/secret")).toBe("denied");
    expect(publish(by, "data/u1/locked")).toBe("denied");
  });

  it("is bounded by maxQos and retain, and the verdict says by which", () => {
    const by = policy(allow("a", { maxQos: 1, retain: false }));
    expect(publish(by, "a", 1)).toBe("allowed");
    expect(publish(by, "a", 2)).toBe("qos");
    expect(publish(by, "a", 1, true)).toBe("retain");
    expect(publish(by, "a", 2, true)).toBe("qos");
  });

  it("goes by the most generous of the entries that match (semantics.md §1.5)", () => {
    const by = policy(
      allow("a/#", { maxQos: 0 }),
      allow("a/+", { maxQos: 2 }),
      allow("+/b", { retain: false }),
    );
    expect(publish(by, "a/b", 2, true)).toBe("allowed");
    expect(publish(by, "a", 1)).toBe("qos");
  });

  it("needs one entry that allows QoS and retain together", () => {
    const by = policy(allow("a", { maxQos: 2, retain: false }), allow("a", { maxQos: 0, retain: true }));
    expect(publish(by, "a", 2, true)).toBe("retain");
    expect(publish(by, "a", 2)).toBe("allowed");
    expect(publish(by, "a", 0, true)).toBe("allowed");
  });

  it.each(["$SYS/x", "$SYS", "$share/g/a", "$audit/x", "$client/auth"])(
    "is never allowed to %s (semantics.md §1.2)",
    (topic) => {
      expect(publish(policy(allow("#"), allow(topic), allow(`${topic.split("/")[0]}/#`)), topic)).toBe(
        "denied",
      );
      expect(publish(Policy.everything, topic)).toBe("denied");
    },
  );

  it("to another $… topic needs an entry that names it (semantics.md §1.2)", () => {
    expect(publish(policy(allow("#"), allow("+/#")), "$queue/a")).toBe("denied");
    expect(publish(policy(allow("$queue/+")), "$queue/a")).toBe("allowed");
  });
});

describe("reading", () => {
  it("a $… topic needs an entry that names it (semantics.md §1.2)", () => {
    expect(reads(policy(allow("#")), "$SYS/uptime")).toBeUndefined();
    expect(reads(policy(allow("$SYS/#")), "$SYS/uptime")).toBe(2);
    expect(grant(policy(allow("#")), "$SYS/#")).toEqual([]);
    expect(grant(policy(allow("$SYS/#"), allow("a")), "#")).toEqual(["a 2"]);
    expect(grant(policy(allow("$SYS/#")), "$SYS/+")).toEqual(["$SYS/+ 2"]);
  });

  it("has the highest maxQos of the entries that match", () => {
    const by = policy(allow("a/#", { maxQos: 0 }), allow("a/b", { maxQos: 1 }));
    expect(reads(by, "a/b")).toBe(1);
    expect(reads(by, "a/c")).toBe(0);
  });

  it("a replay needs its own action besides", () => {
    const by = policy(
      allow("a/#"),
      { actions: ["replay"], topic: "+/x" },
      { effect: "deny", actions: ["replay"], topic: "a/y/x" },
    );
    expect(by.canReplay("a/x", ["a", "x"])).toBe(true);
    expect(by.canReplay("a/z", ["a", "z"])).toBe(false);
    expect(by.canReplay("b/x", ["b", "x"])).toBe(false);
  });
});

describe("effective filters (product.md, Subscribe)", () => {
  const own = policy(allow("data/${subject}/#"));

  it("are the intersections of the requested filter with the allow entries", () => {
    expect(own.effectiveFilters("#", 1)).toEqual({
      filters: [{ filter: "data/u1/#", qos: 1 }],
      narrowed: true,
      checked: false,
    });
    expect(grant(own, "data/+/s1")).toEqual(["data/u1/s1 2"]);
  });

  it("are the requested filter where that is allowed as it is", () => {
    expect(own.effectiveFilters("data/u1/#", 0)).toEqual({
      filters: [{ filter: "data/u1/#", qos: 0 }],
      narrowed: false,
      checked: false,
    });
    expect(own.effectiveFilters("data/u1/+/x", 2).narrowed).toBe(false);
  });

  it("are none where nothing may be read: the subscription is refused", () => {
    expect(grant(own, "data/u2/#")).toEqual([]);
    expect(grant(Policy.nothing, "#")).toEqual([]);
  });

  it("leave out what another of at least its QoS contains", () => {
    expect(grant(policy(allow("data/+/s1"), allow("data/u1/#"), allow("data/#")), "#")).toEqual(["data/# 2"]);
    expect(grant(policy(allow("a/b"), allow("a/+", { maxQos: 1 })), "#")).toEqual(["a/+ 1", "a/b 2"]);
    expect(grant(policy(allow("a/b"), allow("a/+", { maxQos: 1 })), "#", 1)).toEqual(["a/+ 1"]);
    expect(grant(policy(allow("#", { maxQos: 0 }), allow("+/#")), "#")).toEqual(["+/# 2"]);
  });

  it("overlap where the entries do, so that delivery merges them (semantics.md §1.4)", () => {
    expect(grant(policy(allow("data/+/s1"), allow("data/u1/#")), "data/#")).toEqual([
      "data/u1/# 2",
      "data/+/s1 2",
    ]);
  });

  it("are checked at delivery where a deny entry cuts into them, and only there", () => {
    const by = policy(allow("data/${subject}/#"), deny("data/+/secret"));
    expect(by.effectiveFilters("#", 0)).toEqual({
      filters: [{ filter: "data/u1/#", qos: 0 }],
      narrowed: true,
      checked: true,
    });
    expect(by.effectiveFilters("data/+/s1", 0).checked).toBe(false);
  });

  it("leave out what a deny entry covers wholly", () => {
    const by = policy(allow("a/b"), allow("c/#"), deny("a/#"));
    expect(by.effectiveFilters("#", 2)).toEqual({
      filters: [{ filter: "c/#", qos: 2 }],
      narrowed: true,
      checked: false,
    });
    expect(grant(by, "a/b")).toEqual([]);
  });

  it("are the requested filter, checked at delivery, beyond 64 (semantics.md §1.7)", () => {
    const many = (count: number) =>
      policy(...Array.from({ length: count }, (_, i) => allow(`data/${i}/#`, { maxQos: 1 })));
    expect(many(64).effectiveFilters("#", 2)).toMatchObject({
      filters: { length: 64 },
      narrowed: true,
      checked: false,
    });
    expect(many(65).effectiveFilters("#", 2)).toEqual({
      filters: [{ filter: "#", qos: 1 }],
      narrowed: true,
      checked: true,
    });
    expect(grant(many(1_000), "data/7/+")).toEqual(["data/7/+ 1"]);
    expect(many(11).effectiveFilters("+/#", 2, 10)).toEqual({
      filters: [{ filter: "+/#", qos: 1 }],
      narrowed: true,
      checked: true,
    });
  });
});

describe("share groups (semantics.md §1.3)", () => {
  const by = policy(allow("data/#", { share: ["storage"] }), allow("chat/#"));

  it("of the whole tenant are opened by an allow entry with share", () => {
    expect(by.allowsShare("storage", "data/#")).toBe(true);
    expect(by.allowsShare("storage", "data/u1/+")).toBe(true);
    expect(by.allowsShare("storage", "+/u1")).toBe(false); // chat/u1 may be read, but not under this group
    expect(by.allowsShare("other", "data/#")).toBe(false);
    expect(by.allowsShare("storage", "chat/#")).toBe(false);
    expect(by.allowsShare("storage", "nothing/#")).toBe(false);
  });

  it("may be asked for with a wider filter, if all that may be read of it is under the group", () => {
    expect(policy(allow("data/#", { share: ["g"] })).allowsShare("g", "#")).toBe(true);
    expect(policy(allow("data/#", { share: ["g"] }), allow("data/u1/#")).allowsShare("g", "#")).toBe(true);
  });

  it("need the action subscribe", () => {
    expect(policy({ actions: ["publish"], topic: "data/#", share: ["g"] }).allowsShare("g", "data/#")).toBe(
      false,
    );
  });
});

describe("Policy.everything and Policy.nothing", () => {
  it("everything publishes and reads all, $… topics where they are asked for", () => {
    expect(publish(Policy.everything, "$queue/a", 2, true)).toBe("allowed");
    expect(reads(Policy.everything, "$SYS/uptime")).toBe(2);
    for (const filter of ["#", "$SYS/#", "a/+"]) {
      expect(Policy.everything.effectiveFilters(filter, 1)).toEqual({
        filters: [{ filter, qos: 1 }],
        narrowed: false,
        checked: false,
      });
    }
  });

  it("nothing does nothing", () => {
    expect(publish(Policy.nothing, "a")).toBe("denied");
    expect(reads(Policy.nothing, "a")).toBeUndefined();
  });
});

describe("Policy.key", () => {
  it("is equal for equal rules in any order, after templates", () => {
    const one = compilePolicy([allow("data/${subject}/#"), deny("a"), allow("a")], someone);
    const other = compilePolicy(
      [allow("a"), allow("data/u1/#", { effect: "allow", maxQos: 2, retain: true }), allow("a"), deny("a")],
      {
        subject: "u2",
        clientId: "c2",
      },
    );
    expect(one.key).toBe(other.key);
  });

  it("differs wherever effect, actions, topic, maxQos, retain or share differ", () => {
    const entries: PolicyEntry[] = [
      allow("a"),
      deny("a"),
      allow("b"),
      allow("a", { actions: ["publish"] }),
      allow("a", { maxQos: 1 }),
      allow("a", { retain: false }),
      allow("a", { share: ["g"] }),
      allow('a",2'),
    ];
    const keys = [policy().key, Policy.everything.key, ...entries.map((entry) => policy(entry).key)];
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe("compilePolicy() with claims", () => {
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
  const compiled = (entries: PolicyEntry[], ids: unknown): Policy =>
    compilePolicy(entries, { ...someone, claims: { ids } });

  it("makes one rule of each element of an array claim", () => {
    const by = compiled([allow("data/${claims.ids}/#")], ["a", "b"]);
    expect(grant(by, "#")).toEqual(["data/a/# 2", "data/b/# 2"]);
  });

  it("fails closed beyond 1,000 entries: allow stands for nothing, deny for + (semantics.md §1.7)", () => {
    expect(reads(compiled([allow("data/${claims.ids}")], numbers(1_000)), "data/7")).toBe(2);
    expect(reads(compiled([allow("data/${claims.ids}")], numbers(1_001)), "data/7")).toBeUndefined();
    const denied = compiled([allow("#"), deny("data/${claims.ids}/x")], numbers(1_001));
    expect(reads(denied, "data/unlisted/x")).toBeUndefined();
    expect(reads(denied, "data/unlisted/y")).toBe(2);
  });

  it("keeps all deny entries before it looks at an allow entry", () => {
    const by = compiled([allow("a"), deny("data/${claims.ids}/x"), allow("#")], numbers(999));
    expect(reads(by, "data/7/x")).toBeUndefined();
    expect(reads(by, "a")).toBe(2); // the 1,000th
    expect(reads(by, "b")).toBeUndefined(); // the 1,001st
  });

  it("an unusable value closes the allow entry and widens the deny entry (semantics.md §1.1)", () => {
    const by = compiled([allow("data/#"), allow("more/${claims.ids}/#"), deny("data/${claims.ids}/x")], "+");
    expect(reads(by, "data/any/x")).toBeUndefined();
    expect(grant(by, "more/#")).toEqual([]);
  });
});

/** MQTT 5.0 section 4.7, said by other means than the code under test. */
function naiveMatches(filter: string, topic: string): boolean {
  if (/^[+#]/.test(filter) && topic.startsWith("$")) return false;
  const pattern = filter
    .replaceAll("$", "\\$")
    .replaceAll("+", "[^/]*")
    .replace(/\/#$/, "(/.*)?")
    .replace(/^#$/, ".*");
  return new RegExp(`^${pattern}$`).test(topic);
}

const literals = ["", "a", "b", "$x"];

/** All topics of up to 3 levels, but the empty one. */
const topics = literals
  .flatMap((a) => [a, ...literals.flatMap((b) => [`${a}/${b}`, ...literals.map((c) => `${a}/${b}/${c}`)])])
  .filter((topic) => topic !== "");
const levelsOf = topics.map((topic) => topic.split("/"));
const naiveSets = new Map<string, readonly boolean[]>();

function naiveSet(filter: string): readonly boolean[] {
  let set = naiveSets.get(filter);
  if (!set) naiveSets.set(filter, (set = topics.map((topic) => naiveMatches(filter, topic))));
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
    filters.some((b, j) => i !== j && a.qos >= b.qos && filterContains(a.filter, b.filter)),
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
    const seed = Number(process.env["SEED"] ?? 20_260_302);
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
    const level = fc.constantFrom(...literals, "+");
    const filter = fc
      .tuple(fc.array(level, { maxLength: 3 }), fc.boolean())
      .map(([levels, isOpen]) => (isOpen ? [...levels, "#"] : levels).join("/") || "#");
    const qos = fc.constantFrom<Qos>(0, 1, 2);
    const allowing = fc
      .record({ topic: filter, maxQos: qos, retain: fc.boolean() })
      .map(({ topic, ...bounds }) => allow(topic, bounds));
    const entries = fc.array(fc.oneof(allowing, filter.map(deny)), { maxLength: 5 });
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

  it("answer alike from the memo of a long policy, also beyond its 1,024 topics", () => {
    const by = policy(
      ...Array.from({ length: 100 }, (_, i) => allow(`data/${i}/#`, { maxQos: (i % 3) as Qos })),
      deny("data/7/x"),
    );
    for (let pass = 0; pass < 3; pass++) {
      for (let i = 0; i < 3_000; i++) {
        expect(reads(by, `data/${i % 200}/${i}`)).toBe(i % 200 < 100 ? (i % 200) % 3 : undefined);
      }
      expect(reads(by, "data/7/x")).toBeUndefined();
    }
  });
});
