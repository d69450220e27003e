import { describe, expect, it } from "vitest";
import { PolicyPool } from "./policy-pool.ts";
import { type ActionRule, Policy } from "./policy.ts";

function rulesOf(...filters: readonly string[]): ActionRule[] {
  return filters.map((filter) => ({
    effect: "allow",
    actions: ["subscribe"],
    filter,
    levels: filter.split("/"),
    maxQos: 2,
    retain: true,
    maxAge: Infinity,
    share: [],
  }));
}

describe("PolicyPool", () => {
  it("compiles equal rules once", () => {
    const pool = new PolicyPool();
    const compile = (...filters: string[]): Policy =>
      pool.of(rulesOf(...filters), () => new Policy(rulesOf(...filters)));
    const policies = Array.from({ length: 3_000 }, (_, i) => compile(`a/${i}`, "b"));
    expect(policies.every((policy, i) => compile(`a/${i}`, "b") === policy)).toBe(true);
    expect(compile("b", "a/0")).not.toBe(policies[0]);
  });

  it("never takes policies for equal that have the same hash", () => {
    // Among so many, some two have the same 32 bits, more likely than not
    const pool = new PolicyPool();
    const made = new Map<string, Policy>();
    for (let i = 0; i < 100_000; i++) {
      const filter = `x${i.toString(36)}/y`;
      made.set(
        filter,
        pool.of(rulesOf(filter), () => new Policy(rulesOf(filter))),
      );
    }
    for (const [filter, policy] of made) expect(policy.hasRules(rulesOf(filter))).toBe(true);
  });
});
