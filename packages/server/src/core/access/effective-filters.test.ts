import type { Qos } from "@weir/protocol";
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

function grant(by: Policy, filter: string, qos: Qos = 2): string[] {
  return by.effectiveFilters(filter, qos).filters.map((granted) => `${granted.filter} ${granted.qos}`);
}

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
