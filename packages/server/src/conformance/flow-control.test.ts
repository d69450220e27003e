import { type BrokerFixture, startBroker, textOf } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

let broker: BrokerFixture;

beforeAll(async () => {
  broker = await startBroker({ mqtt: { receiveMaximum: 3 } });
});
afterAll(() => broker.close());

async function publishAll(topic: string, qos: 0 | 1 | 2, ...payloads: readonly string[]): Promise<void> {
  const publisher = await broker.connect();
  for (const payload of payloads) await publisher.publish(topic, payload, { qos });
  await publisher.disconnect();
}

describe("4.9 the client's Receive Maximum", () => {
  describe.each([
    ["a session that ends with its connection", {}],
    ["a persistent session", { sessionExpiryInterval: 60 }],
  ])("of %s", (name, expiry) => {
    test.each([1, 2] as const)(
      "bounds QoS %i in flight; each last acknowledgement gives one more [MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-3.3.4-9]",
      async (qos) => {
        const topic = `bounded/${name}/${qos}`;
        const client = await broker.connect({
          clientId: topic,
          properties: { ...expiry, receiveMaximum: 2 },
        });
        await client.subscribe({ topicFilter: topic, qos });
        await publishAll(topic, qos, "1", "2", "3", "4");
        const first = await client.receive("publish");
        const second = await client.receive("publish");
        await client.expectSilence();
        await client.acknowledge(second);
        expect(textOf(await client.receiveMessage())).toBe("3");
        expect(textOf(await client.receive("publish"))).toBe("4");
        await client.acknowledge(first);
        await client.expectSilence();
      },
    );

    test("everything else goes on while it is exhausted: QoS 0, SUBACK, PUBACK, PINGRESP [MQTT-4.9.0-3] [MQTT-3.3.4-10]", async () => {
      const topic = `exhausted/${name}`;
      const client = await broker.connect({ clientId: topic, properties: { ...expiry, receiveMaximum: 1 } });
      await client.subscribe({ topicFilter: `${topic}/+`, qos: 2 });
      await publishAll(`${topic}/a`, 2, "in flight", "waits");
      await client.receive("publish");
      await publishAll(`${topic}/b`, 0, "passes");
      expect(textOf(await client.receive("publish"))).toBe("passes");
      await client.subscribe(`${topic} more`);
      await client.publish(`${topic} more`, "own", { qos: 1 });
      expect(textOf(await client.receive("publish"))).toBe("own");
      await client.publish("elsewhere", "", { qos: 2 });
      await client.unsubscribe(`${topic} more`);
      await client.expectSilence();
    });

    test("PUBREC does not free a place, PUBCOMP does, and so does a refusing PUBREC [MQTT-4.9.0-2]", async () => {
      const topic = `places/${name}`;
      const client = await broker.connect({ clientId: topic, properties: { ...expiry, receiveMaximum: 1 } });
      await client.subscribe({ topicFilter: topic, qos: 2 });
      await publishAll(topic, 2, "1", "2", "3");
      const first = await client.receive("publish");
      client.send({ type: "pubrec", packetId: first.packetId, reasonCode: 0 });
      await client.receive("pubrel");
      await client.expectSilence();
      client.send({ type: "pubcomp", packetId: first.packetId, reasonCode: 0 });
      const second = await client.receive("publish");
      expect(textOf(second)).toBe("2");
      client.send({ type: "pubrec", packetId: second.packetId, reasonCode: 0x83 });
      expect(textOf(await client.receive("publish"))).toBe("3");
    });
  });

  test("bounds what is sent again after a reconnect too; PUBRELs do not count [MQTT-4.9.0-1] [MQTT-4.4.0-1]", async () => {
    const options = { clientId: "resent", cleanStart: false };
    const client = await broker.connect({ ...options, properties: { sessionExpiryInterval: 60 } });
    await client.subscribe({ topicFilter: "resent", qos: 2 });
    await publishAll("resent", 2, "released", "2", "3");
    const packets = await client.receiveAll("publish", 3);
    const released = packets[0]?.packetId ?? 0;
    client.send({ type: "pubrec", packetId: released, reasonCode: 0 });
    await client.receive("pubrel");
    await client.cut();

    const back = await broker.connect({
      ...options,
      properties: { sessionExpiryInterval: 60, receiveMaximum: 1 },
    });
    expect(await back.receive("pubrel")).toMatchObject({ packetId: released });
    const again = await back.receive("publish");
    expect([textOf(again), again.dup]).toEqual(["2", true]);
    await back.expectSilence();
    await back.acknowledge(again);
    expect(textOf(await back.receive("publish"))).toBe("3");
  });

  test("0 is a protocol error in CONNECT [MQTT-4.9.0-1]", async () => {
    const client = await broker.open();
    client.send("10 10 0004 4d515454 05 02 003c 03 21 0000 0000");
    expect(await client.receive("connack")).toMatchObject({ reasonCode: 0x82 });
    await client.closed;
  });

  test("without one, 65,535 count: a hundred messages need no acknowledgement", async () => {
    const client = await broker.connect();
    await client.subscribe({ topicFilter: "hundred", qos: 1 });
    await publishAll("hundred", 1, ...Array.from({ length: 100 }, (_, index) => String(index)));
    const packets = await client.receiveAll("publish", 100);
    expect(new Set(packets.map((packet) => packet.packetId)).size).toBe(100);
  });
});

describe("4.9 the broker's Receive Maximum", () => {
  test("is told in CONNACK, and one PUBLISH more than it ends in DISCONNECT 0x93 [MQTT-3.3.4-7]", async () => {
    const client = await broker.connect();
    expect(client.connack?.properties?.receiveMaximum).toBe(3);
    for (const packetId of [1, 2, 3]) client.send(client.publishPacket("full", "", { qos: 2, packetId }));
    await client.receiveAll("pubrec", 3);
    client.send(client.publishPacket("full", "", { qos: 2, packetId: 4 }));
    expect((await client.closed).disconnect?.reasonCode).toBe(0x93);
  });

  test("QoS 0 does not count, PUBCOMP and PUBACK give places back, a repeated PUBLISH takes none", async () => {
    const client = await broker.connect();
    for (const packetId of [1, 2, 3]) client.send(client.publishPacket("places", "", { qos: 2, packetId }));
    await client.receiveAll("pubrec", 3);
    client.send(client.publishPacket("places", "", { qos: 2, packetId: 3, dup: true }));
    await client.receive("pubrec");
    for (let count = 0; count < 10; count += 1) await client.publish("places", "");
    await client.release(1);
    for (let count = 0; count < 10; count += 1) await client.publish("places", "", { qos: 1, packetId: 9 });
    client.send(client.publishPacket("places", "", { qos: 2, packetId: 1 }));
    await client.receive("pubrec");
    await client.expectSilence();
  });

  test("a refused PUBLISH gives its place back with PUBREC 0x87", async () => {
    const password = await broker.token({ acl: [{ actions: ["publish"], topic: "open" }] });
    const client = await broker.connect({ password });
    for (let count = 0; count < 10; count += 1) {
      expect((await client.publish("closed", "", { qos: 2 }))?.reasonCode).toBe(0x87);
    }
    await client.expectSilence();
  });

  test.each([true, false])(
    "counts towards clients of 3.1.1 too, which cannot name one of their own (clean session: %s)",
    async (cleanStart) => {
      const topic = `older/${cleanStart}`;
      const client = await broker.connect({ version: 4, clientId: topic, cleanStart });
      await client.subscribe({ topicFilter: topic, qos: 1 });
      await publishAll(topic, 1, "1", "2", "3", "4");
      const [first] = await client.receiveAll("publish", 3);
      await client.expectSilence();
      if (first) await client.acknowledge(first);
      expect(textOf(await client.receive("publish"))).toBe("4");
    },
  );

  test("3.1.1 knows none: more QoS 2 messages than it are taken one after the other", async () => {
    const client = await broker.connect({ version: 4 });
    for (let packetId = 1; packetId <= 20; packetId += 1)
      client.send(client.publishPacket("unbounded", "", { qos: 2, packetId }));
    expect((await client.receiveAll("pubrec", 20)).map((packet) => packet.packetId)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    for (let packetId = 1; packetId <= 20; packetId += 1) await client.release(packetId);
  });

  test("places are the connection's: after a reconnect released and unreleased ids are counted anew", async () => {
    const options = { clientId: "counted", cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const client = await broker.connect(options);
    for (const packetId of [1, 2, 3]) client.send(client.publishPacket("anew", "", { qos: 2, packetId }));
    await client.receiveAll("pubrec", 3);
    await client.cut();
    const back = await broker.connect(options);
    for (const packetId of [1, 2, 3]) await back.release(packetId);
    for (const packetId of [4, 5, 6]) back.send(back.publishPacket("anew", "", { qos: 2, packetId }));
    await back.receiveAll("pubrec", 3);
    await back.expectSilence();
  });
});
