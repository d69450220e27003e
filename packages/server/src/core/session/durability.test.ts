import { describe, expect, it } from "vitest";
import { EngineError } from "../ports/engine.ts";
import { compilePolicy, type Policy } from "../access/policy.ts";
import { connectPacket, publishPacket, startedCore, subscribePacket } from "../../../testing/core-fixture.ts";

function mayReadOnly(...topics: readonly string[]): Policy {
  const entries = topics.map(
    (topic) => ({ effect: "allow", actions: ["subscribe", "publish"], topic }) as const,
  );
  return compilePolicy(entries, { subject: "s", clientId: "s", tokenId: "t" });
}

describe("what a crash leaves", () => {
  it("a message in flight at QoS 1 survives a cursor that SUBSCRIBE or PUBREL saves", async () => {
    const fixture = await startedCore();
    const client = await fixture.persistent("c");
    client.give(subscribePacket(1, { topicFilter: "t" }));
    await fixture.settle();
    client.give(publishPacket("t", "m", { qos: 1, packetId: 1 }));
    await fixture.settle();
    client.give(subscribePacket(2, { topicFilter: "u" })); // saves how far the session has come
    await fixture.settle();
    const after = await fixture.crash();
    const again = await after.persistent("c");
    expect(again.take("publish")).toMatchObject([{ payload: "m", dup: true, qos: 1 }]);
  });

  it("a QoS 2 id whose message the log does not have is not taken for one that it has [MQTT-4.3.3-10]", async () => {
    const fixture = await startedCore();
    const subscriber = await fixture.persistent("s");
    subscriber.give(subscribePacket(1, { topicFilter: "t", qos: 2 }));
    const client = await fixture.persistent("c");
    await fixture.settle();
    fixture.engine.hooks.hold();
    client.give(publishPacket("t", "m", { qos: 2, packetId: 7 }));
    client.give(subscribePacket(1, { topicFilter: "u" }));
    await fixture.settle();
    const record = fixture.session("c").progressParts();
    expect(record.cursor).toMatchObject({ inbound: [] });
    fixture.engine.hooks.resume();
    await fixture.settle();
    expect(client.take("pubrec")).toHaveLength(1);
    expect(fixture.session("c").progressParts().cursor).toMatchObject({ inbound: [7] });
  });

  it("a new message under a QoS 2 id that was used before the crash is no duplicate of it", async () => {
    const fixture = await startedCore();
    const subscriber = await fixture.persistent("s");
    subscriber.give(subscribePacket(1, { topicFilter: "t", qos: 1 }));
    const client = await fixture.persistent("c");
    client.give(publishPacket("t", "before", { qos: 2, packetId: 1 }));
    await fixture.settle();
    client.give({ type: "pubrel", packetId: 1, reasonCode: 0 });
    await fixture.settle();
    const after = await fixture.crash();
    const again = await after.persistent("c");
    again.give(publishPacket("t", "after", { qos: 2, packetId: 1 }));
    const reader = await after.persistent("s");
    await after.settle();
    expect(reader.take("publish").map((one) => one.payload)).toEqual(["before", "after"]);
  });

  it("PUBREL that comes twice is completed only when the release is durable (semantics.md §2.3)", async () => {
    const fixture = await startedCore();
    const subscriber = await fixture.persistent("s");
    subscriber.give(subscribePacket(1, { topicFilter: "t", qos: 1 }));
    const client = await fixture.persistent("c");
    client.give(publishPacket("t", "m", { qos: 2, packetId: 7 }));
    await fixture.settle();
    fixture.engine.hooks.hold();
    client.give({ type: "pubrel", packetId: 7, reasonCode: 0 });
    client.give({ type: "pubrel", packetId: 7, reasonCode: 0 });
    await fixture.settle();
    expect(client.take("pubcomp")).toEqual([]);
    fixture.engine.hooks.resume();
    await fixture.settle();
    expect(client.take("pubcomp")).toMatchObject([{ reasonCode: 0 }, { reasonCode: 0 }]);
    expect(fixture.session("c").progressParts().cursor).toMatchObject({ inbound: [] });
  });

  it("PUBREL for an id that is free is no error for a client that has come back (MQTT 5.0 §3.7.2.1)", async () => {
    const fixture = await startedCore();
    const client = await fixture.persistent("c");
    client.give({ type: "pubrel", packetId: 7, reasonCode: 0 });
    expect(client.take("pubcomp")).toMatchObject([{ packetId: 7, reasonCode: 0x92 }]);
    client.cut();
    await fixture.settle();
    const again = await fixture.persistent("c");
    again.give({ type: "pubrel", packetId: 7, reasonCode: 0 });
    expect(again.take("pubcomp")).toMatchObject([{ packetId: 7, reasonCode: 0 }]);
  });

  it("QoS 1 does not overtake a QoS 2 message that waits for its save: the order of the log holds", async () => {
    const fixture = await startedCore();
    const subscriber = await fixture.persistent("s");
    subscriber.give(subscribePacket(1, { topicFilter: "t", qos: 2 }));
    const publisher = await fixture.connected("p");
    await fixture.settle();
    publisher.give(publishPacket("t", "first", { qos: 2, packetId: 1 }));
    publisher.give(publishPacket("t", "second", { qos: 1, packetId: 2 }));
    publisher.give(publishPacket("t", "third", { qos: 2, packetId: 3 }));
    await fixture.settle();
    expect(subscriber.take("publish").map((one) => one.payload)).toEqual(["first", "second", "third"]);
  });

  it("a message that a share group has back from a member is not lost before the group has saved that", async () => {
    const fixture = await startedCore();
    const member = await fixture.persistent("member");
    member.give(subscribePacket(1, { topicFilter: "$share/g/t" }));
    const publisher = await fixture.connected("p");
    publisher.give(publishPacket("t", "m", { qos: 1, packetId: 1 }));
    await fixture.pass(1_100); // the group has saved that it gave the message away
    expect(member.take("publish")).toHaveLength(1);
    member.cut();
    await fixture.settle();
    const after = await fixture.crash();
    const again = await after.persistent("member");
    expect(again.take("publish").map((one) => one.payload)).toEqual(["m"]);
  });

  it("what a share group has back from a member is not lost by a second crash either", async () => {
    const fixture = await startedCore();
    const member = await fixture.persistent("member");
    member.give(subscribePacket(1, { topicFilter: "$share/g/t" }));
    const publisher = await fixture.connected("p");
    publisher.give(publishPacket("t", "m", { qos: 1, packetId: 1 }));
    await fixture.pass(1_100); // the group has saved that it gave the message away
    expect(member.take("publish")).toHaveLength(1);
    const between = await fixture.crash();
    await between.session("member").record?.save("progress");
    const after = await between.crash();
    const again = await after.persistent("member");
    expect(again.take("publish").map((one) => one.payload)).toEqual(["m"]);
  });

  it.each(["done", "on its way"])(
    "a QoS 2 message of a share group that is %s at a crash does not come again after a second one",
    async (state) => {
      const fixture = await startedCore();
      const member = await fixture.persistent("member");
      member.give(subscribePacket(1, { topicFilter: "$share/g/t", qos: 2 }));
      const publisher = await fixture.connected("p");
      await fixture.pass(1_100); // the group has saved that it gave nothing away
      publisher.give(publishPacket("t", "m", { qos: 2, packetId: 1 }));
      await fixture.settle();
      const [{ packetId } = { packetId: 0 }] = member.take("publish");
      member.give({ type: "pubrec", packetId, reasonCode: 0 });
      await fixture.settle();
      if (state === "done") member.give({ type: "pubcomp", packetId, reasonCode: 0 });
      await fixture.session("member").record?.save("progress");
      const between = await fixture.crash();
      const resumed = await between.persistent("member");
      for (const { packetId } of resumed.take("pubrel"))
        resumed.give({ type: "pubcomp", packetId, reasonCode: 0 });
      await between.session("member").record?.save("progress");
      const after = await between.crash();
      const again = await after.persistent("member");
      expect(again.take("publish")).toEqual([]);
    },
  );

  it("what a share group's cursor has not passed since a crash does not come again after a second one", async () => {
    const fixture = await startedCore();
    const member = await fixture.persistent("member");
    member.give(subscribePacket(1, { topicFilter: "$share/g/t", qos: 2 }));
    const publisher = await fixture.connected("p");
    await fixture.pass(1_100); // the group has saved that it gave nothing away
    publisher.give(publishPacket("t", "m", { qos: 2, packetId: 1 }));
    await fixture.settle();
    for (const { packetId } of member.take("publish")) {
      member.give({ type: "pubrec", packetId, reasonCode: 0 });
      await fixture.settle();
      member.give({ type: "pubcomp", packetId, reasonCode: 0 });
    }
    await fixture.session("member").record?.save("progress");
    const between = await fixture.crash();
    await between.pass(1_100); // nobody is there to take from the group
    const after = await between.crash();
    const again = await after.persistent("member");
    expect(again.take("publish")).toEqual([]);
  });

  it.each(Array.from({ length: 16 }, (_, index) => index + 1))(
    "a subscription counts from where the log was, also where its last records are gone: seed %i",
    async (seed) => {
      const fixture = await startedCore();
      const keeper = await fixture.persistent("keeper");
      keeper.give(subscribePacket(1, { topicFilter: "t" }));
      const client = await fixture.persistent("s");
      const publisher = await fixture.connected("p");
      fixture.engine.hooks.hold();
      for (const packetId of [1, 2, 3]) publisher.give(publishPacket("t", "lost", { qos: 1, packetId }));
      client.give(subscribePacket(1, { topicFilter: "t" }));
      await fixture.settle();
      const after = await fixture.crash(seed);
      const again = await after.persistent("s");
      const isSubscribed = after.session("s").subscriptions.has("t");
      const late = await after.connected("late");
      late.give(publishPacket("t", "new", { qos: 1, packetId: 1 }));
      await after.settle();
      const got = again.take("publish").map((one) => one.payload);
      expect(got).toEqual(isSubscribed ? ["new"] : []);
    },
  );

  it("a session of expiry 0 that was kept for its will is not there for the client that comes back", async () => {
    const fixture = await startedCore();
    const will = { topic: "w", payload: new Uint8Array([1]), qos: 1, retain: false, properties: {} } as const;
    await fixture.connected("c", { will });
    const after = await fixture.crash();
    const link = after.link();
    link.give(connectPacket("c", { cleanStart: false }));
    await after.settle();
    expect(link.take("connack")).toMatchObject([{ sessionPresent: false, reasonCode: 0 }]);
  });

  it("a will is published 10 s after the restart, unless its client is back", async () => {
    const fixture = await startedCore();
    const reader = await fixture.persistent("reader");
    reader.give(subscribePacket(1, { topicFilter: "will/+", qos: 1 }));
    for (const name of ["gone", "back"]) {
      const topic = `will/${name}`;
      await fixture.connected(name, {
        will: { topic, payload: new Uint8Array([49]), qos: 1, retain: false, properties: {} },
      });
    }
    const after = await fixture.crash();
    const again = await after.persistent("reader");
    await after.connected("back");
    await after.pass(9_000);
    expect(again.take("publish")).toEqual([]);
    await after.pass(2_000);
    expect(again.take("publish")).toMatchObject([{ topic: "will/gone" }]);
  });
});

describe("an engine that refuses", () => {
  it("a 3.1.1 publisher that cannot be told of a full disk is read no further, and closed after 30 s", async () => {
    const fixture = await startedCore();
    const reader = await fixture.persistent("reader");
    reader.give(subscribePacket(1, { topicFilter: "t" }));
    await fixture.settle();
    const link = await fixture.connected("old", { protocolVersion: 4 });
    fixture.engine.hooks.fail({ kind: "append", error: new EngineError("full", "test"), outcome: "lost" });
    link.give(publishPacket("t", "one", { qos: 1, packetId: 1 }));
    await fixture.settle();
    await fixture.pass(29_000);
    expect([link.take("puback"), link.isPaused, link.isClosed]).toEqual([[], true, false]);
    await fixture.pass(1_100);
    expect([link.take("puback"), link.isClosed]).toEqual([[], true]);
  });

  it("CONNECT is refused and leaves no session behind [MQTT-3.2.2-2]", async () => {
    const fixture = await startedCore();
    fixture.engine.hooks.fail({ kind: "save", error: new EngineError("full", "test"), outcome: "lost" });
    const refused = fixture.link();
    refused.give(connectPacket("c", { cleanStart: false, properties: { sessionExpiryInterval: 60 } }));
    await fixture.settle();
    expect(refused.take("connack")).toMatchObject([{ reasonCode: 0x97 }]);
    const link = fixture.link();
    link.give(connectPacket("c", { cleanStart: false, properties: { sessionExpiryInterval: 60 } }));
    await fixture.settle();
    expect(link.take("connack")).toMatchObject([{ reasonCode: 0, sessionPresent: false }]);
  });

  it("a session that could not be saved for a new connection goes on waiting, as long as before", async () => {
    const fixture = await startedCore();
    (await fixture.persistent("c")).cut();
    await fixture.settle();
    fixture.engine.hooks.fail({
      kind: "save",
      error: new EngineError("unavailable", "test"),
      outcome: "lost",
    });
    const refused = fixture.link();
    refused.give(connectPacket("c", { cleanStart: false, properties: { sessionExpiryInterval: 1 } }));
    await fixture.settle();
    expect(refused.take("connack")).toMatchObject([{ reasonCode: 0x88 }]);
    await fixture.pass(5_000);
    const link = fixture.link();
    link.give(connectPacket("c", { cleanStart: false, properties: { sessionExpiryInterval: 3_600 } }));
    await fixture.settle();
    expect(link.take("connack")).toMatchObject([{ sessionPresent: true }]);
    link.cut();
    await fixture.pass(3_601_000);
    expect(fixture.core.sessions.count).toBe(0);
  });

  it("a QoS 2 message whose save failed is sent after the reconnect", async () => {
    const fixture = await startedCore();
    const subscriber = await fixture.persistent("s");
    subscriber.give(subscribePacket(1, { topicFilter: "t", qos: 2 }));
    await fixture.settle();
    const publisher = await fixture.connected("p");
    fixture.engine.hooks.fail({
      kind: "save",
      error: new EngineError("unavailable", "test"),
      outcome: "lost",
    });
    publisher.give(publishPacket("t", "m", { qos: 2, packetId: 1 }));
    await fixture.settle();
    expect(subscriber.isClosed).toBe(true);
    const again = await fixture.persistent("s");
    expect(again.take("publish")).toMatchObject([{ payload: "m", qos: 2 }]);
  });

  it("a QoS 2 message that the log lost is asked for again, and reaches direct receivers once", async () => {
    const fixture = await startedCore();
    const logged = await fixture.persistent("logged");
    const direct = await fixture.connected("direct");
    for (const link of [logged, direct]) link.give(subscribePacket(1, { topicFilter: "t", qos: 2 }));
    const publisher = await fixture.persistent("p");
    fixture.engine.hooks.fail({
      kind: "append",
      error: new EngineError("unavailable", "test"),
      outcome: "lost",
    });
    publisher.give(publishPacket("t", "m", { qos: 2, packetId: 1 }));
    await fixture.settle();
    expect(publisher.isClosed).toBe(true);
    const again = await fixture.persistent("p");
    again.give(publishPacket("t", "m", { qos: 2, packetId: 1, dup: true }));
    await fixture.settle();
    expect(again.take("pubrec")).toMatchObject([{ reasonCode: 0 }]);
    expect(direct.take("publish")).toHaveLength(1);
    expect(logged.take("publish")).toHaveLength(1);
  });
});

describe("stop()", () => {
  it("sends the acknowledgements that are due before DISCONNECT 0x8B", async () => {
    const fixture = await startedCore();
    const client = await fixture.persistent("c");
    client.give(subscribePacket(1, { topicFilter: "t" }));
    await fixture.settle();
    client.take();
    client.give(publishPacket("t", "m", { qos: 1, packetId: 5 }));
    const stopped = fixture.core.stop();
    await fixture.settle();
    await stopped;
    const types = client.received.map((packet) => packet.type);
    expect(types).toContain("puback");
    expect(types.at(-1)).toBe("disconnect");
    expect(client.received.at(-1)).toMatchObject({ reasonCode: 0x8b });
  });
});

describe("a changed subscription", () => {
  it("loses nothing that waits when it is replaced, even by one of QoS 0 [MQTT-3.8.4-4]", async () => {
    const fixture = await startedCore();
    const client = await fixture.persistent("s");
    client.give(subscribePacket(1, { topicFilter: "t", qos: 1 }));
    await fixture.settle();
    client.hasRoom = false;
    const publisher = await fixture.connected("p");
    publisher.give(
      publishPacket("t", "m1", { qos: 1, packetId: 1 }),
      publishPacket("t", "m2", { qos: 1, packetId: 2 }),
    );
    await fixture.settle();
    client.give(subscribePacket(2, { topicFilter: "t", qos: 0 }));
    await fixture.settle();
    client.hasRoom = true;
    await fixture.settle();
    expect(client.take("publish").map((one) => one.payload)).toEqual(["m1", "m2"]);
  });

  it("keeps what waits and is still allowed when the policy narrows, and drops the rest (semantics.md §1.8)", async () => {
    const fixture = await startedCore();
    fixture.setPolicy("s", mayReadOnly("a/#"));
    const client = await fixture.persistent("s");
    client.give(subscribePacket(1, { topicFilter: "#", qos: 1 }));
    await fixture.settle();
    client.cut();
    const publisher = await fixture.connected("p");
    for (const [index, topic] of ["a/1", "a/2", "a/1"].entries())
      publisher.give(publishPacket(topic, `${topic}:${index}`, { qos: 1, packetId: index + 1 }));
    await fixture.settle();
    fixture.setPolicy("s", mayReadOnly("a/1", "b/#"));
    await fixture.settle();
    const again = await fixture.persistent("s");
    expect(again.take("publish").map((one) => one.payload)).toEqual(["a/1:0", "a/1:2"]);
  });

  it("sends at QoS 0 what waits in the queue when the policy allows no more", async () => {
    const fixture = await startedCore();
    const everything = [{ effect: "allow", actions: ["subscribe"], topic: "#" }] as const;
    const values = { subject: "s", clientId: "s", tokenId: "t" };
    fixture.setPolicy("s", compilePolicy(everything, values));
    const client = await fixture.connected("s", { properties: { receiveMaximum: 1 } });
    client.give(subscribePacket(1, { topicFilter: "#", qos: 1 }));
    const publisher = await fixture.connected("p");
    for (const packetId of [1, 2]) publisher.give(publishPacket("t", `m${packetId}`, { qos: 1, packetId }));
    await fixture.settle();
    const [first] = client.take("publish");
    fixture.setPolicy("s", compilePolicy([{ ...everything[0], maxQos: 0 }], values));
    client.give({ type: "puback", packetId: first?.packetId ?? 0, reasonCode: 0 });
    expect(client.take("publish")).toMatchObject([{ payload: "m2", qos: 0, packetId: 0 }]);
  });
});
