import { beforeEach, describe, expect, it } from "vitest";
import type { PolicyEntry } from "../access/policy-entry.ts";
import { compilePolicy, type Policy } from "../access/policy.ts";
import { CoreFixture, publishPacket, subscribePacket } from "../../../testing/core-fixture.ts";
import type { FakeLink } from "../../../testing/fake-link.ts";

const values = { subject: "s", clientId: "s", tokenId: "t" };

function reading(...entries: readonly Partial<PolicyEntry>[]): Policy {
  return compilePolicy(
    entries.map((entry) => ({ effect: "allow", actions: ["subscribe"], topic: "#", ...entry })),
    values,
  );
}

let fixture: CoreFixture;
let client: FakeLink;
let publisher: FakeLink;

beforeEach(async () => {
  fixture = await new CoreFixture().start();
  client = await fixture.persistent("s");
  publisher = await fixture.connected("p");
});

async function subscribe(...requests: Parameters<typeof subscribePacket>[1][]): Promise<readonly number[]> {
  client.give(subscribePacket(1, ...requests));
  await fixture.settle();
  return client.take("suback")[0]?.reasonCodes ?? [];
}

async function publish(topic: string, packetId: number): Promise<void> {
  publisher.give(publishPacket(topic, topic, { qos: 1, packetId }));
  await fixture.settle();
}

function effective(): readonly string[] {
  return fixture
    .session("s")
    .view()
    .subscriptions.flatMap((one) => one.effective);
}

describe("Subscriptions", () => {
  it("replaces a subscription to the same filter, and keeps from where it counts [MQTT-3.8.4-3]", async () => {
    await subscribe({ topicFilter: "a", qos: 1 });
    const [before] = fixture.session("s").subscriptions.all;
    await publish("b", 1);
    await subscribe({ topicFilter: "a", qos: 2 });
    const [after, ...others] = fixture.session("s").subscriptions.all;
    expect([after?.qos, after?.from, others]).toEqual([2, before?.from, []]);
  });

  it("grants what the policy leaves, and refuses what it leaves nothing of [MQTT-3.9.3-2]", async () => {
    fixture.setPolicy("s", reading({ topic: "a/#", maxQos: 0 }, { topic: "b" }));
    await fixture.settle();
    expect(await subscribe({ topicFilter: "a/1" }, { topicFilter: "#" }, { topicFilter: "c" })).toEqual([
      0, 1, 0x87,
    ]);
    expect(effective()).toEqual(["a/1", "a/#", "b"]);
  });

  it("sleeps when the policy leaves nothing, and wakes when it does again (semantics.md §1.8)", async () => {
    await subscribe({ topicFilter: "a" });
    fixture.setPolicy("s", reading({ topic: "b" }));
    await fixture.settle();
    await publish("a", 1);
    expect([effective(), client.take("publish")]).toEqual([[], []]);
    fixture.setPolicy("s", reading({ topic: "#" }));
    await fixture.settle();
    await publish("a", 2);
    expect([effective(), client.take("publish").length]).toEqual([["a"], 1]);
  });

  it("sends retained messages that have become readable, and none again that were", async () => {
    for (const [index, topic] of ["a", "b"].entries())
      publisher.give(publishPacket(topic, topic, { qos: 1, packetId: index + 1, retain: true }));
    await fixture.settle();
    fixture.setPolicy("s", reading({ topic: "a" }));
    await fixture.settle();
    await subscribe({ topicFilter: "#", retainHandling: 0 });
    expect(client.take("publish").map(({ topic, retain }) => [topic, retain])).toEqual([["a", true]]);
    fixture.setPolicy("s", reading({ topic: "a" }, { topic: "b" }));
    await fixture.settle();
    expect(client.take("publish").map(({ topic, retain }) => [topic, retain])).toEqual([["b", true]]);
  });

  it("neither sends what the policy takes out of a granted filter, nor counts it as dropped (semantics.md §1.7)", async () => {
    fixture.setPolicy("s", reading({ topic: "#" }, { effect: "deny", topic: "secret/#" }));
    await fixture.settle();
    publisher.give(publishPacket("secret/1", "kept", { qos: 0, packetId: 0, retain: true }));
    await subscribe({ topicFilter: "#", qos: 0, retainHandling: 0 });
    publisher.give(publishPacket("secret/1", "live", { qos: 0, packetId: 0 }));
    publisher.give(publishPacket("open", "live", { qos: 0, packetId: 0 }));
    await fixture.settle();
    expect(client.take("publish").map(({ topic }) => topic)).toEqual(["open"]);
    expect([fixture.counters.messagesDropped.acl, fixture.session("s").droppedCount]).toEqual([0, 0]);
  });

  it("delivers only what was published after it, also through a crash at once [semantics.md §2.6]", async () => {
    await subscribe({ topicFilter: "other" });
    client.cut();
    const keeper = await fixture.persistent("keeper");
    keeper.give(subscribePacket(1, { topicFilter: "a" }));
    await fixture.settle();
    await publish("a", 1);
    client = await fixture.persistent("s");
    await subscribe({ topicFilter: "a" });
    const after = await fixture.crash();
    const again = await after.persistent("s");
    const late = await after.connected("late");
    late.give(publishPacket("a", "new", { qos: 1, packetId: 1 }));
    await after.settle();
    expect(again.take("publish").map((one) => one.payload)).toEqual(["new"]);
  });

  it("keeps share groups of identities apart, unless the policy opens the tenant's (semantics.md §1.3)", async () => {
    const other = await fixture.persistent("other");
    const keys = (): string[] => {
      const sessions = ["s", "other"].map((name) => fixture.session(name));
      return sessions.flatMap((session) => [...session.subscriptions.groups].map((group) => group.key));
    };
    await subscribe({ topicFilter: "$share/g/a" });
    other.give(subscribePacket(1, { topicFilter: "$share/g/a" }));
    await fixture.settle();
    expect(new Set(keys()).size).toBe(2);
    for (const name of ["s", "other"]) fixture.setPolicy(name, reading({ topic: "a", share: ["g"] }));
    await fixture.settle();
    expect(new Set(keys()).size).toBe(1);
    await publish("a", 1);
    await publish("a", 2);
    expect([client.take("publish").length, other.take("publish").length]).toEqual([1, 1]);
  });

  it("is in no tree, outbox or group any more when its session has ended", async () => {
    await subscribe({ topicFilter: "a" }, { topicFilter: "$share/g/b" }, { topicFilter: "$client/acl" });
    const session = fixture.session("s");
    await fixture.core.sessions.end(session, 0x98, true);
    expect([session.subscriptions.size, [...session.router.groups].length]).toEqual([0, 0]);
    const topic = session.router.topic("a");
    expect(session.router.recipientsOf(topic).isEmpty).toBe(true);
  });

  it("stops collecting for a principal that was deleted, keeps what waits, and goes on when it is back", async () => {
    await subscribe({ topicFilter: "a" });
    client.hasRoom = false;
    await publish("a", 1);
    fixture.session("s").endPrincipal("deleted");
    await publish("a", 2);
    expect(fixture.session("s").outgoing.queued).toBe(1);
    const after = await fixture.crash();
    expect(after.session("s").outgoing.queued).toBe(1);
    const again = await after.persistent("s");
    const late = await after.connected("late");
    late.give(publishPacket("a", "3", { qos: 1, packetId: 3 }));
    await after.settle();
    expect(again.take("publish").map((one) => one.payload)).toEqual(["a", "3"]);
  });
});
