import type { PublishPacket } from "@weir/protocol";
import {
  type BrokerFixture,
  FakeClock,
  framesOf,
  type MqttTestClient,
  startBroker,
  textOf,
} from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const SECOND = 1_000;
const NEVER = 0xffff_ffff;

const clock = new FakeClock({ soon: "immediate" });
let broker: BrokerFixture;
beforeAll(async () => {
  broker = await startBroker({ clock });
});
afterAll(() => broker.close());

/** Has subscribed to `topic` at QoS 2 and gone, leaving a session that waits for so many seconds. */
async function leaveSession(clientId: string, topic: string, sessionExpiryInterval = 60): Promise<void> {
  const client = await broker.connect({ clientId, properties: { sessionExpiryInterval } });
  await client.subscribe({ topicFilter: topic, qos: 2 });
  await client.disconnect();
}

const resume = (clientId: string): Promise<MqttTestClient> => broker.connect({ clientId, cleanStart: false });

describe("Clean Start and Session Present", () => {
  test("Clean Start 0 resumes the session: its subscriptions and what it missed [MQTT-3.1.2-5] [MQTT-3.2.2-3] [MQTT-3.1.4-4]", async () => {
    await leaveSession("resumed", "kept");
    const publisher = await broker.connect();
    await publisher.publish("kept", "one", { qos: 1 });
    await publisher.publish("kept", "two", { qos: 2 });

    const client = await resume("resumed");
    expect(client.connack).toMatchObject({ sessionPresent: true, reasonCode: 0 });
    const missed = [await client.receiveMessage(), await client.receiveMessage()];
    expect(missed.map((message) => [textOf(message), message.qos, message.dup])).toEqual([
      ["one", 1, false],
      ["two", 2, false],
    ]);
    await publisher.publish("kept", "three");
    expect(textOf(await client.receive("publish"))).toBe("three");
  });

  test("Clean Start 1 drops the session and all that waited in it [MQTT-3.1.2-4] [MQTT-3.2.2-2]", async () => {
    await leaveSession("cleaned", "dropped");
    const publisher = await broker.connect();
    await publisher.publish("dropped", "missed", { qos: 1 });

    const client = await broker.connect({ clientId: "cleaned", cleanStart: true });
    expect(client.connack?.sessionPresent).toBe(false);
    await publisher.publish("dropped", "later", { qos: 1 });
    await client.expectSilence();
    await client.disconnect();
    expect((await resume("cleaned")).connack?.sessionPresent).toBe(false);
  });

  test("Clean Start 0 without a session makes one [MQTT-3.1.2-6] [MQTT-3.2.2-3]", async () => {
    const client = await broker.connect({
      clientId: "made",
      cleanStart: false,
      properties: { sessionExpiryInterval: 60 },
    });
    expect(client.connack).toMatchObject({ sessionPresent: false, reasonCode: 0 });
    await client.subscribe("made");
    await client.disconnect();
    expect((await resume("made")).connack?.sessionPresent).toBe(true);
  });

  test("a session without subscriptions is a session [MQTT-3.2.2-3]", async () => {
    const client = await broker.connect({ clientId: "bare", properties: { sessionExpiryInterval: 60 } });
    await client.disconnect();
    expect((await resume("bare")).connack?.sessionPresent).toBe(true);
  });

  test("a taken-over session goes on with the newer connection [MQTT-3.1.4-3] [MQTT-3.1.2-5]", async () => {
    const properties = { sessionExpiryInterval: 60, receiveMaximum: 1 };
    const older = await broker.connect({ clientId: "moved", properties });
    await older.subscribe({ topicFilter: "moved", qos: 1 });
    const publisher = await broker.connect();
    for (const text of ["in flight", "waiting"]) await publisher.publish("moved", text, { qos: 1 });
    const first = await older.receive("publish");

    const newer = await resume("moved");
    expect((await older.closed).disconnect?.reasonCode).toBe(0x8e);
    expect(newer.connack?.sessionPresent).toBe(true);
    const again = await newer.receive("publish");
    expect([textOf(again), again.dup, again.packetId]).toEqual(["in flight", true, first.packetId]);
    expect(textOf(await newer.receive("publish"))).toBe("waiting");
  });

  test("a session with expiry 0 ends with the connection that is taken over [MQTT-3.1.2-6]", async () => {
    const older = await broker.connect({ clientId: "brief" });
    await older.subscribe("brief");
    const newer = await resume("brief");
    await older.closed;
    expect(newer.connack?.sessionPresent).toBe(false);
  });
});

describe("3.1.2.11.2 Session Expiry Interval", () => {
  test("the state is kept for as long as the interval says, and no longer [MQTT-3.1.2-23] [MQTT-4.1.0-2]", async () => {
    await leaveSession("tenS", "ten", 10);
    clock.advance(9.5 * SECOND);
    const client = await broker.connect({
      clientId: "tenS",
      cleanStart: false,
      properties: { sessionExpiryInterval: 10 },
    });
    expect(client.connack?.sessionPresent).toBe(true);
    clock.advance(100 * SECOND); // while connected it does not end
    await client.publish("ten", "here");
    expect(textOf(await client.receive("publish"))).toBe("here");

    await client.disconnect();
    clock.advance(10.5 * SECOND);
    expect((await resume("tenS")).connack?.sessionPresent).toBe(false);
  });

  test("without an interval the session ends with its connection [MQTT-3.1.2-23]", async () => {
    const client = await broker.connect({ clientId: "none" });
    await client.subscribe("none");
    await client.disconnect();
    await broker.disconnected("none");
    expect((await resume("none")).connack?.sessionPresent).toBe(false);
  });

  test("an interval above the broker's bound is shortened, and CONNACK says so", async () => {
    const properties = { sessionExpiryInterval: NEVER };
    const client = await broker.connect({ clientId: "forever", properties });
    expect(client.connack?.properties?.sessionExpiryInterval).toBe(7 * 86_400);
    const modest = await broker.connect({ clientId: "modest", properties: { sessionExpiryInterval: 60 } });
    expect(modest.connack?.properties?.sessionExpiryInterval).toBeUndefined();
  });

  test("DISCONNECT may set another interval", async () => {
    const longer = await broker.connect({ clientId: "longer", properties: { sessionExpiryInterval: 1 } });
    await longer.disconnect({ properties: { sessionExpiryInterval: 100 } });
    const over = await broker.connect({ clientId: "over", properties: { sessionExpiryInterval: 100 } });
    await over.disconnect({ properties: { sessionExpiryInterval: 0 } });
    clock.advance(50 * SECOND);
    expect((await resume("longer")).connack?.sessionPresent).toBe(true);
    expect((await resume("over")).connack?.sessionPresent).toBe(false);
  });

  test("DISCONNECT must not set an interval where CONNECT had none: 0x82", async () => {
    const client = await broker.connect({ clientId: "none" });
    client.send({ type: "disconnect", reasonCode: 0, properties: { sessionExpiryInterval: 60 } });
    expect((await client.closed).disconnect?.reasonCode).toBe(0x82);
  });

  test("the interval of the last CONNECT counts", async () => {
    await leaveSession("last", "last", 100);
    const client = await broker.connect({
      clientId: "last",
      cleanStart: false,
      properties: { sessionExpiryInterval: 5 },
    });
    await client.disconnect();
    clock.advance(6 * SECOND);
    expect((await resume("last")).connack?.sessionPresent).toBe(false);
  });
});

describe("what a session holds", () => {
  test("a QoS 1 message without PUBACK is sent again, with DUP and the same id [MQTT-3.3.1-1]", async () => {
    const properties = { sessionExpiryInterval: 60 };
    const client = await broker.connect({ clientId: "unacked", properties });
    await client.subscribe({ topicFilter: "unacked", qos: 1 });
    await client.publish("unacked", "x", { qos: 1 });
    const first = await client.receive("publish");
    expect(first.dup).toBe(false);
    await client.cut();

    const again = await (await resume("unacked")).receive("publish");
    expect(again).toMatchObject({ dup: true, packetId: first.packetId, qos: 1, topic: "unacked" });
  });

  test("a QoS 2 message is sent again with DUP before PUBREC, and its PUBREL after it [MQTT-3.3.1-1]", async () => {
    const properties = { sessionExpiryInterval: 60 };
    const client = await broker.connect({ clientId: "half", properties });
    await client.subscribe({ topicFilter: "half", qos: 2 });
    for (const text of ["received", "sent"]) await client.publish("half", text, { qos: 2 });
    const [received, sent] = await client.receiveAll("publish", 2);
    client.send({ type: "pubrec", packetId: received?.packetId ?? 0, reasonCode: 0 });
    await client.receive("pubrel");
    await client.cut();

    const back = await resume("half");
    expect(await back.receive("pubrel")).toMatchObject({ packetId: received?.packetId });
    expect(await back.receive("publish")).toMatchObject({ dup: true, packetId: sent?.packetId, qos: 2 });
    await back.expectSilence();
  });

  test("the QoS 2 ids that the client has not released [MQTT-3.1.2-5]", async () => {
    const watcher = await broker.connect();
    await watcher.subscribe("inbound");
    const client = await broker.connect({ clientId: "inbound", properties: { sessionExpiryInterval: 60 } });
    client.send(client.publishPacket("inbound", "once", { qos: 2, packetId: 9 }));
    await client.receive("pubrec");
    await client.cut();

    const back = await resume("inbound");
    back.send(back.publishPacket("inbound", "once", { qos: 2, packetId: 9, dup: true }));
    expect(await back.receive("pubrec")).toMatchObject({ packetId: 9, reasonCode: 0 });
    expect(await back.release(9)).toMatchObject({ packetId: 9, reasonCode: 0 });
    expect(textOf(await watcher.receive("publish"))).toBe("once");
    await watcher.expectSilence();
  });

  test("a backlog comes whole over many connections, in order at each QoS [MQTT-3.1.2-5] [MQTT-3.1.2-23]", async () => {
    const properties = { sessionExpiryInterval: 60, receiveMaximum: 7 };
    await leaveSession("backlog", "backlog");
    const publisher = await broker.connect();
    const count = 400;
    for (let i = 0; i < count; i++)
      await publisher.publish("backlog", String(i), { qos: i % 2 === 0 ? 1 : 2 });

    const got = new Map<number, PublishPacket>();
    while (got.size < count) {
      const client = await broker.connect({ clientId: "backlog", cleanStart: false, properties });
      for (let i = 0; i < 37 && got.size < count; i++) {
        const message = await client.receive("publish");
        expect(message.dup || !got.has(Number(textOf(message)))).toBe(true);
        got.set(Number(textOf(message)), message);
        await client.acknowledge(message);
      }
      await client.disconnect();
    }
    for (const qos of [1, 2]) {
      const numbers = [...got].filter(([, message]) => message.qos === qos).map(([number]) => number);
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      expect(numbers).toHaveLength(count / 2);
    }
  });

  test("its subscriptions with their options and identifiers", async () => {
    const client = await broker.connect({ clientId: "options", properties: { sessionExpiryInterval: 60 } });
    const filter = { topicFilter: "options", qos: 1, noLocal: true, retainAsPublished: true } as const;
    await client.subscribe(filter, { subscriptionIdentifier: 77 });
    await client.disconnect();

    const back = await resume("options");
    await back.publish("options", "own");
    const publisher = await broker.connect();
    await publisher.publish("options", "other", { qos: 2, retain: true });
    const message = await back.receiveMessage();
    expect(textOf(message)).toBe("other");
    expect(message).toMatchObject({ qos: 1, retain: true, properties: { subscriptionIdentifiers: [77] } });
    await publisher.publish("options", "", { qos: 1, retain: true });
  });

  test("no topic aliases [MQTT-3.3.2-7]", async () => {
    const client = await broker.connect({ clientId: "aliased", properties: { sessionExpiryInterval: 60 } });
    await client.publish("aliased", "x", { qos: 1, properties: { topicAlias: 1 } });
    await client.disconnect();
    const back = await resume("aliased");
    back.send(back.publishPacket("", "x", { properties: { topicAlias: 1 } }));
    expect((await back.closed).disconnect?.reasonCode).toBe(0x82);
  });
});

describe("MQTT 3.1.1 Clean Session", () => {
  test("Clean Session 0 is kept, also over a lost connection, and CONNACK tells [MQTT-3.1.1 3.1.2-4, 3.2.2-2]", async () => {
    const first = await broker.connect({ version: 4, clientId: "kept4", cleanStart: false });
    await first.subscribe({ topicFilter: "kept4", qos: 1 });
    await first.cut();
    await broker.disconnected("kept4");
    await (await broker.connect({ version: 4 })).publish("kept4", "missed", { qos: 1 });
    clock.advance(3_600 * SECOND);

    const back = await broker.connect({ version: 4, clientId: "kept4", cleanStart: false });
    expect(textOf(await back.receive("publish"))).toBe("missed");
    expect(framesOf(back.chunks)[0]).toBe("20020100");
  });

  test("Clean Session 1 drops what was, and leaves nothing [MQTT-3.1.1 3.1.2-6, 3.2.2-1]", async () => {
    const kept = await broker.connect({ version: 4, clientId: "clean4", cleanStart: false });
    await kept.subscribe("clean4");
    await kept.disconnect();
    const clean = await broker.connect({ version: 4, clientId: "clean4", cleanStart: true });
    expect(clean.connack?.sessionPresent).toBe(false);
    await clean.publish("clean4", "x", { qos: 1 });
    await clean.expectSilence();
    await clean.disconnect();
    const back = await broker.connect({ version: 4, clientId: "clean4", cleanStart: false });
    expect(back.connack?.sessionPresent).toBe(false);
  });

  test("a session begun in 3.1.1 is resumed in 5.0 [MQTT-3.1.2-5]", async () => {
    const first = await broker.connect({ version: 4, clientId: "grown", cleanStart: false });
    await first.subscribe({ topicFilter: "grown", qos: 1 });
    await first.disconnect();
    const back = await resume("grown");
    expect(back.connack?.sessionPresent).toBe(true);
    await back.publish("grown", "x", { qos: 1 });
    expect(textOf(await back.receiveMessage())).toBe("x");
  });
});
