import type { Qos } from "@weir/protocol";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
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
    expect(by.replayMaxAge("a/x", ["a", "x"])).toBe(Infinity);
    expect(by.replayMaxAge("a/z", ["a", "z"])).toBeUndefined();
    expect(by.replayMaxAge("b/x", ["b", "x"])).toBeUndefined();
  });

  it("bounds the age of what is replayed: the most generous entry counts, a deny beats it", () => {
    const by = policy(
      { actions: ["subscribe"], topic: "#" },
      { actions: ["replay"], topic: "a/#", maxAge: 60 },
      { actions: ["replay"], topic: "a/x", maxAge: 3_600 },
      { effect: "deny", actions: ["replay"], topic: "a/z" },
    );
    const maxAge = (topic: string): number | undefined => by.replayMaxAge(topic, topic.split("/"));
    expect(["a/x", "a/y", "a/z", "b"].map(maxAge)).toEqual([3_600, 60, undefined, undefined]);
    expect(["#", "a/+", "b/#", "a/z"].map((filter) => by.mayReplay(filter))).toEqual([
      true,
      true,
      false,
      false,
    ]);
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

describe("compilePolicy()", () => {
  it("gives the same policy for equal entries, after templates (semantics.md §1.7)", () => {
    const one = compilePolicy([allow("data/${subject}/#"), deny("a")], someone);
    const equal = [allow("data/u1/#", { effect: "allow", maxQos: 2, retain: true }), deny("a")];
    const other = { subject: "u2", clientId: "c2" };
    expect(compilePolicy(equal, other)).toBe(one);
    expect(compilePolicy([allow("data/${subject}/#"), deny("a")], other)).not.toBe(one);
  });

  it("gives another one wherever effect, actions, topic, maxQos, retain or share differ", () => {
    const entries: PolicyEntry[] = [
      allow("a"),
      deny("a"),
      allow("b"),
      allow("a", { actions: ["publish"] }),
      allow("a", { maxQos: 1 }),
      allow("a", { retain: false }),
      allow("a", { share: ["g"] }),
      allow("a", { share: ["g", "h"] }),
    ];
    const policies = [policy(), Policy.everything, ...entries.map((entry) => policy(entry))];
    expect(new Set(policies).size).toBe(policies.length);
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

  it("counts 1,000 rules exactly", () => {
    const rules = (count: number) => compiled([deny("a/${claims.ids}")], numbers(count)).rules;
    expect(rules(1_000)).toHaveLength(1_000);
    expect(rules(1_001)).toMatchObject([{ effect: "deny", filter: "a/+" }]);
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

describe("a long policy", () => {
  it("answers alike from its memo, also beyond the 1,024 topics that this holds", () => {
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

  it("holds no memory for the topics that it was asked about before", () => {
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    const by = policy(...Array.from({ length: 100 }, (_, i) => allow(`data/${i}/#`)));
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 200_000; i++) by.canRead(`data/${i}/x`, ["data", `${i}`, "x"]);
    collectGarbage();
    // All of them would be some 20 MB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(4e6);
    expect(reads(by, "data/7/x")).toBe(2); // it was still there to be measured
  });
});
