import { describe, expect, it } from "vitest";
import type { NamedPolicy } from "../core/access/authorization-group.ts";
import type { PolicyEntry } from "../core/access/policy-entry.ts";
import type { NamedObject } from "../core/objects/named-objects.ts";
import { EffectivePolicy } from "./effective-policy.ts";

const entry = (topic: string): PolicyEntry => ({ actions: ["subscribe"], topic });

function setUp() {
  const policies = new Map<string, NamedObject<NamedPolicy>>();
  let version = 0;
  const put = (name: string, ...topics: string[]): void => {
    const value = { entries: topics.map(entry) };
    policies.set(name, { name, id: name, value, version: ++version, createdAtMs: 0, updatedAtMs: 0 });
  };
  const effective = new EffectivePolicy({ policyOf: (tenant, name) => policies.get(`${tenant}/${name}`) });
  const holder = (acl: readonly PolicyEntry[], ...names: string[]) => ({
    tenant: "t",
    acl,
    policies: names,
  });
  return { put, policies, effective, holder };
}

describe("EffectivePolicy", () => {
  it("entriesOf() unites own entries with those of the policies that are named", () => {
    const { put, effective, holder } = setUp();
    put("t/p", "p/#");
    put("t/q", "q/#");
    const topics = effective.entriesOf(holder([entry("own")], "p", "q")).map(({ topic }) => topic);
    expect(topics).toEqual(["own", "p/#", "q/#"]);
  });

  it("gives equal holders the same list, and another one after a change", () => {
    const { put, effective, holder } = setUp();
    put("t/p", "p/#");
    put("t/q", "q/#");
    const own = [entry("own")];
    const [shared, mine] = [holder([], "p", "q"), holder(own, "p")];
    const before = [effective.entriesOf(shared), effective.entriesOf(mine)];
    expect(effective.entriesOf(holder([], "p", "q"))).toBe(before[0]);
    expect(effective.entriesOf(holder(own, "p"))).toBe(before[1]);
    put("t/p", "other/#");
    expect(effective.entriesOf(shared).map(({ topic }) => topic)).toEqual(["other/#", "q/#"]);
    expect(effective.entriesOf(mine).map(({ topic }) => topic)).toEqual(["own", "other/#"]);
  });

  it("gives nothing at all where a named policy is not there: a deny may have stood in it", () => {
    const { put, policies, effective, holder } = setUp();
    put("t/p", "p/#");
    put("t/q", "q/#");
    policies.delete("t/q");
    expect(effective.entriesOf(holder([entry("own")], "p", "q"))).toEqual([]);
    expect(effective.entriesOf({ ...holder([], "p"), tenant: "other" })).toEqual([]);
  });
});
