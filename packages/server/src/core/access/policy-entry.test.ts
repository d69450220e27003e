import { describe, expect, it } from "vitest";
import {
  MAX_POLICY_ENTRIES,
  parsePolicyEntries,
  type PolicyEntry,
  PolicyEntryError,
} from "./policy-entry.ts";

const subscribe = (topic: unknown) => ({ actions: ["subscribe"], topic });

describe("parsePolicyEntries()", () => {
  it("takes entries as product.md writes them, and adds nothing", () => {
    const entries: PolicyEntry[] = [
      {
        effect: "allow",
        actions: ["publish", "subscribe", "replay"],
        topic: "data/${claims.account}/+/#",
        maxQos: 1,
        retain: false,
        share: ["g"],
      },
      { effect: "deny", actions: ["subscribe"], topic: "data/+/secret" },
      { actions: ["subscribe"], topic: "$SYS/#" },
    ];
    expect(parsePolicyEntries(JSON.parse(JSON.stringify(entries)))).toEqual(entries);
    expect(parsePolicyEntries([])).toEqual([]);
  });

  it.each([
    "#",
    "+",
    "/",
    "/#",
    "a//b",
    "+/+/#",
    "data/${subject}/#",
    "data/u-${subject}/${claims.org.unit}",
    "data/${claims.https://example.com/account}/#",
    "${tokenId}/x",
    "a/$x/${clientId}",
    "a/$/b",
    Array.from({ length: 128 }, () => "x").join("/"),
    "x".repeat(1_024),
  ])("takes the filter %s", (topic) => {
    expect(parsePolicyEntries([subscribe(topic)])).toEqual([subscribe(topic)]);
  });

  it.each([
    [{}, "acl: must be a list"],
    [[7], "acl[0]: must be an object"],
    [[[]], "acl[0]: must be an object"],
    [[{ ...subscribe("a"), qos: 1 }], "acl[0].qos: is not known; possible are effect, actions, topic"],
    [
      [{ ...subscribe("a"), effect: "Deny" }],
      'acl[0].effect: is "Deny"; must be "allow" (the default) or "deny"',
    ],
    [[{ topic: "a" }], "acl[0].actions: must be a list"],
    [[{ topic: "a", actions: [] }], "acl[0].actions: must be a list"],
    [[{ topic: "a", actions: "publish" }], "acl[0].actions: must be a list"],
    [
      [{ topic: "a", actions: ["read"] }],
      'acl[0].actions: holds "read"; possible are publish, subscribe, replay',
    ],
    [[subscribe("a"), { actions: ["subscribe"] }], "acl[1].topic: must be a topic filter"],
    [[subscribe("")], "acl[0].topic: must be a topic filter"],
    [[subscribe("a/#/b")], 'acl[0].topic: "a/#/b" has a "#" that is not the whole last level'],
    [[subscribe("a#")], 'has a "#" that is not the whole last level'],
    [[subscribe("a/b+")], 'has a "+" that is not a whole level'],
    [[subscribe("a/${subject}+")], 'has a "+" that is not a whole level'],
    [[subscribe("a/${subject}#")], 'has a "#" that is not the whole last level'],
    [[subscribe("a/${name}")], "has the unknown placeholder ${name}; possible are ${subject}"],
    [[subscribe("a/${claims.}")], "has the unknown placeholder ${claims.}"],
    [[subscribe("a/${}")], "has the unknown placeholder ${}"],
    [[subscribe("a/${subject")], 'has a "${" without its "}"'],
    [[subscribe("$${subject}/x")], 'has a placeholder in a first level that begins with "$"'],
    [[subscribe("$share/g/a")], 'begins with "$share"'],
    [[subscribe("a\0")], "holds a character that no topic may hold"],
    [[subscribe("a\udc00")], "holds a character that no topic may hold"],
    [[subscribe("é".repeat(513))], "has 1026 bytes; at most 1024 are possible"],
    [
      [subscribe(Array.from({ length: 129 }, () => "x").join("/"))],
      "has 129 levels; at most 128 are possible",
    ],
    [[{ ...subscribe("a"), maxQos: 3 }], "acl[0].maxQos: is 3; must be 0, 1 or 2"],
    [[{ ...subscribe("a"), maxQos: "1" }], 'acl[0].maxQos: is "1"; must be 0, 1 or 2'],
    [[{ ...subscribe("a"), retain: 1 }], "acl[0].retain: is 1; must be true or false"],
    [[{ ...subscribe("a"), maxAge: 60 }], 'acl[0].maxAge: bounds the action "replay"'],
    [
      [{ actions: ["replay"], topic: "a", maxAge: 0 }],
      "acl[0].maxAge: is 0; must be a whole number of seconds",
    ],
    [[{ ...subscribe("a"), share: "g" }], "acl[0].share: must be a list of share group names"],
    [[{ ...subscribe("a"), share: ["g", "a/b"] }], 'acl[0].share[1]: is "a/b"; must be a name'],
    [[{ ...subscribe("a"), share: [""] }], 'acl[0].share[0]: is ""; must be a name'],
    [[{ ...subscribe("a"), effect: "deny", maxQos: 1 }], "acl[0].maxQos: bounds an allow entry"],
    [[{ ...subscribe("a"), effect: "deny", retain: true }], "acl[0].retain: bounds an allow entry"],
    [[{ ...subscribe("a"), effect: "deny", share: [] }], "acl[0].share: bounds an allow entry"],
  ])("refuses %j, saying where, what and what to do", (value, message) => {
    expect(() => parsePolicyEntries(value)).toThrow(message);
    expect(() => parsePolicyEntries(value)).toThrow(PolicyEntryError);
  });

  it("names the place under which the list was given", () => {
    expect(() => parsePolicyEntries([subscribe("a"), 1], "anonymous.acl")).toThrow(/^anonymous\.acl\[1\]: /);
  });

  it("takes 1,000 entries and no more (semantics.md §1.7)", () => {
    const entries = Array.from({ length: MAX_POLICY_ENTRIES }, (_, i) => subscribe(`a/${i}`));
    expect(parsePolicyEntries(entries)).toHaveLength(1_000);
    expect(() => parsePolicyEntries([...entries, subscribe("b")])).toThrow(
      "acl: has 1001 entries; at most 1000",
    );
  });

  it("cuts what it quotes from outside", () => {
    try {
      parsePolicyEntries([subscribe(`${"a".repeat(1_000)}#`)]);
      expect.fail("accepted");
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(200);
    }
  });
});
