import { topicMatches } from "@weir/protocol";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findEntryOutside } from "./mint-template.ts";
import { compilePolicy, type Policy, type PolicyEntry } from "./policy.ts";
import { intersectPolicies } from "./policy-intersection.ts";

const subscribe = (topic: string): PolicyEntry => ({ actions: ["subscribe"], topic });

/** Whether a token for the subject may have the entry under a template of the other. */
function isWithin(asked: PolicyEntry, template: PolicyEntry | PolicyEntry[], subject = "u1"): boolean {
  return findEntryOutside([asked], [template].flat(), subject) === undefined;
}

describe("an entry of a made token", () => {
  it.each([
    ["data/u1/s1", "data/u1/#"],
    ["data/u1", "data/u1/#"],
    ["data/+/s1", "data/#"],
    ["#", "#"],
    ["#", "+/#"],
    ["+/#", "#"],
    ["data/u1/#", "data/${subject}/#"],
    ["data/${subject}/#", "data/${subject}/#"],
    ["data/${subject}/#", "data/u1/#"],
    ["data/${clientId}/#", "data/+/#"],
    ["data/${clientId}/x", "data/${clientId}/#"],
    ["$SYS/broker", "$SYS/#"],
  ])("%s lies inside %s", (asked, template) => {
    expect(isWithin(subscribe(asked), subscribe(template))).toBe(true);
  });

  it.each([
    ["data/#", "data/u1/#"],
    ["data/u2/#", "data/${subject}/#"],
    ["data/+/#", "data/${subject}/#"],
    ["data/#", "data/+/#"],
    ["$SYS/#", "#"],
    ["$SYS/broker", "+/broker"],
    ["data/${clientId}/#", "data/u1/#"],
    ["data/${clientId}", "data/${tokenId}"],
    ["data/u1/#", "data/${clientId}/#"],
    ["data/+/#", "data/${clientId}/#"],
    ["data/x-${clientId}", "data/${clientId}"],
  ])("%s lies outside %s", (asked, template) => {
    expect(isWithin(subscribe(asked), subscribe(template))).toBe(false);
  });

  it("lies inside one entry of the template, not inside several together", () => {
    const both: PolicyEntry = { actions: ["publish", "subscribe"], topic: "a" };
    const each: PolicyEntry[] = [subscribe("a"), { actions: ["publish"], topic: "a" }];
    expect(isWithin(both, each)).toBe(false);
    expect(isWithin(both, { actions: ["publish", "subscribe", "replay"], topic: "#" })).toBe(true);
  });

  it("is replayed no older than the template allows", () => {
    const template = { actions: ["replay", "subscribe"], topic: "a", maxAge: 60 } as const;
    const asked = (maxAge?: number): PolicyEntry => ({
      actions: ["replay"],
      topic: "a",
      ...(maxAge !== undefined && { maxAge }),
    });
    expect([asked(60), asked(61), asked()].map((entry) => isWithin(entry, template))).toEqual([
      true,
      false,
      false,
    ]);
    expect(isWithin({ actions: ["subscribe"], topic: "a" }, template)).toBe(true);
  });

  it("has at most the template's QoS, retain and share groups", () => {
    const template: PolicyEntry = {
      actions: ["publish", "subscribe"],
      topic: "#",
      maxQos: 1,
      retain: false,
      share: ["g"],
    };
    expect(isWithin({ actions: ["subscribe"], topic: "a" }, template)).toBe(false);
    expect(isWithin({ actions: ["subscribe"], topic: "a", maxQos: 1 }, template)).toBe(true);
    expect(isWithin({ actions: ["publish"], topic: "a", maxQos: 1 }, template)).toBe(false);
    expect(isWithin({ actions: ["publish"], topic: "a", maxQos: 0, retain: false }, template)).toBe(true);
    expect(isWithin({ actions: ["subscribe"], topic: "a", maxQos: 0, share: ["g"] }, template)).toBe(true);
    expect(isWithin({ actions: ["subscribe"], topic: "a", maxQos: 0, share: ["g", "h"] }, template)).toBe(
      false,
    );
  });

  it("that denies lies inside any template, and a deny entry of the template contains nothing", () => {
    expect(isWithin({ effect: "deny", actions: ["publish"], topic: "#" }, [])).toBe(true);
    expect(isWithin(subscribe("a"), { effect: "deny", actions: ["subscribe"], topic: "a" })).toBe(false);
  });

  it.each(["+", "a/b", "#", "", "$SYS", "x\0y"])(
    "of a token for %j, which can stand in no topic, never lies inside ${subject}",
    (subject) => {
      expect(isWithin(subscribe("data/${subject}"), subscribe("data/${subject}"), subject)).toBe(false);
      expect(isWithin(subscribe(`data/${subject}`), subscribe("data/${subject}"), subject)).toBe(false);
    },
  );

  it("for a subject that reads like a placeholder does not lie inside that placeholder", () => {
    expect(isWithin(subscribe("data/${subject}"), subscribe("data/${clientId}"), "${clientId}")).toBe(false);
    expect(isWithin(subscribe("data/x${subject}"), subscribe("data/x${tokenId}"), "${tokenId}")).toBe(false);
  });
});

const literals = ["", "a", "u1", "c1", "$x"];
/** All topics of up to 3 levels, but the empty one. */
const topics = literals
  .flatMap((a) => [a, ...literals.flatMap((b) => [`${a}/${b}`, ...literals.map((c) => `${a}/${b}/${c}`)])])
  .filter((topic) => topic !== "");

const level = fc.constantFrom(...literals, "+", "${subject}", "${clientId}", "${tokenId}", "a${clientId}");
const topicFilter = fc
  .tuple(fc.array(level, { maxLength: 3 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen || levels.length === 0 ? ["#"] : [])].join("/"))
  .filter((text) => text !== "" && !text.startsWith("$x$"));
const entry: fc.Arbitrary<PolicyEntry> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ ...bounds(), actions: actions(), topic: topicFilter }) },
  {
    weight: 1,
    arbitrary: fc.record({ effect: fc.constant("deny" as const), actions: actions(), topic: topicFilter }),
  },
);
const acl = fc.array(entry, { maxLength: 4 });
const values = fc.record({
  subject: fc.constantFrom("u1", "a", "$x", "+", "${clientId}"),
  clientId: fc.constantFrom("c1", "a", "a/u1", "#"),
  tokenId: fc.constantFrom("t1", "a"),
});

function actions(): fc.Arbitrary<PolicyEntry["actions"]> {
  return fc.subarray(["publish", "subscribe", "replay"] as const, { minLength: 1 });
}

function bounds(): { maxQos: fc.Arbitrary<0 | 1 | 2>; retain: fc.Arbitrary<boolean> } {
  return { maxQos: fc.constantFrom(0, 1, 2), retain: fc.boolean() };
}

/** Everything that a policy says about one topic. */
function verdicts(policy: Policy, topic: string): boolean[] {
  const levels = topic.split("/");
  const publish = ([0, 1, 2] as const).flatMap((qos) =>
    [true, false].map((retain) => policy.checkPublish(topic, levels, qos, retain) === "allowed"),
  );
  const read = policy.readQos(topic, levels) ?? -1;
  return [...publish, read >= 0, read >= 1, read >= 2, policy.replayMaxAge(topic, levels) !== undefined];
}

describe("for random entries, templates and topics", () => {
  it("a made token whose entries lie inside the template can do nothing that the template cannot, denies apart", () => {
    let inside = 0;
    fc.assert(
      fc.property(acl, acl, values, (own, template, filled) => {
        if (findEntryOutside(own, template, filled.subject) !== undefined) return;
        inside++;
        const made = compilePolicy(own, filled);
        const bound = compilePolicy(
          template.filter(({ effect }) => effect !== "deny"),
          filled,
        );
        for (const topic of topics) {
          const may = verdicts(bound, topic);
          expect(verdicts(made, topic).every((can, i) => !can || may[i])).toBe(true);
        }
      }),
      { numRuns: 4_000 },
    );
    expect(inside).toBeGreaterThan(200);
  });

  it("the intersection of two policies allows exactly what both allow", () => {
    fc.assert(
      fc.property(acl, acl, values, (own, template, filled) => {
        const [a, b] = [compilePolicy(own, filled), compilePolicy(template, filled)];
        const both = intersectPolicies(a, b);
        for (const topic of topics) {
          const [inA, inB] = [verdicts(a, topic), verdicts(b, topic)];
          expect(verdicts(both, topic)).toEqual(inA.map((can, i) => can && inB[i]));
        }
      }),
      { numRuns: 1_500 },
    );
  });

  it("a subscription of a made token is delivered no topic that its template may not read", () => {
    fc.assert(
      fc.property(acl, acl, values, topicFilter, (own, template, filled, requested) => {
        fc.pre(!requested.includes("$"));
        const bound = compilePolicy(template, filled);
        const made = intersectPolicies(compilePolicy(own, filled), bound);
        const { filters, checked } = made.effectiveFilters(requested, 2);
        for (const topic of topics) {
          const levels = topic.split("/");
          const isRouted = filters.some(({ filter }) => topicMatches(filter, topic));
          const isDelivered = isRouted && (!checked || made.canRead(topic, levels));
          if (isDelivered) expect(bound.canRead(topic, levels)).toBe(true);
        }
      }),
      { numRuns: 1_500 },
    );
  });
});

it("an intersection of more rules than a policy may have fails closed", () => {
  const many = (prefix: string): PolicyEntry[] =>
    Array.from({ length: 40 }, (_, i) => subscribe(prefix === "l" ? `l${i}/+` : `+/r${i}`));
  const own = compilePolicy(many("l"), { subject: "u1", clientId: "" });
  const bound = compilePolicy(many("r"), { subject: "u1", clientId: "" });
  const both = intersectPolicies(own, bound);
  expect(both.rules).toHaveLength(1_000);
  expect(both.canRead("l0/r0", ["l0", "r0"])).toBe(true);
  expect(both.canRead("l39/r39", ["l39", "r39"])).toBe(false);
  const denies = Array.from({ length: 600 }, (_, i): PolicyEntry => ({
    effect: "deny",
    actions: ["subscribe"],
    topic: `d${i}`,
  }));
  const narrow = compilePolicy([subscribe("a"), ...denies], { subject: "u1", clientId: "" });
  const other = compilePolicy([subscribe("a"), ...denies.slice(0, 500)], { subject: "u1", clientId: "" });
  expect(intersectPolicies(narrow, other).canRead("a", ["a"])).toBe(false);
});
