import type { PublishPacket } from "@weir/protocol";
import { type BrokerFixture, framed, type MqttTestClient, startBroker, textOf } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const RECEIVE_MAXIMUM_EXCEEDED = 0x93;

let broker: BrokerFixture;
let publisher: MqttTestClient;
beforeAll(async () => {
  broker = await startBroker();
  publisher = await broker.connect();
});
afterAll(() => broker.close());

const textsOf = (messages: readonly PublishPacket[]): string[] => messages.map((message) => textOf(message));

describe("3.3.4 a PUBLISH is answered as its QoS demands", () => {
  test("QoS 0 gets nothing, QoS 1 PUBACK, QoS 2 PUBREC and PUBCOMP [MQTT-3.3.4-1]", async () => {
    const client = await broker.connect();
    client.send(framed(0x30, `"answer" 00`));
    await client.expectSilence();
    client.send(framed(0x32, `"answer" 0001 00`));
    expect(await client.receive("puback")).toMatchObject({ packetId: 1, reasonCode: 0 });
    client.send(framed(0x34, `"answer" 0002 00`));
    expect(await client.receive("pubrec")).toMatchObject({ packetId: 2, reasonCode: 0 });
    await client.expectSilence();
    client.send(framed(0x62, `0002`));
    expect(await client.receive("pubcomp")).toMatchObject({ packetId: 2, reasonCode: 0 });
    await client.expectSilence();
  });

  test("answers come in the order of their messages, whichever had to wait for the log [MQTT-3.3.4-1]", async () => {
    const persistent = await broker.connect({ clientId: "logs", properties: { sessionExpiryInterval: 60 } });
    await persistent.subscribe({ topicFilter: "answer/logged", qos: 2 });
    const client = await broker.connect();
    const topics = ["answer/logged", "answer/direct", "answer/logged", "answer/direct", "answer/direct"];
    client.send(
      ...topics.map((topic, index) => client.publishPacket(topic, "x", { qos: 1, packetId: index + 1 })),
    );
    const acks = await client.receiveAll("puback", topics.length);
    expect(acks.map(({ packetId }) => packetId)).toEqual([1, 2, 3, 4, 5]);
  });

  test("a message that a client may not publish is answered with 0x87, or by 3.1.1 as usual, and goes nowhere [MQTT-3.3.4-1]", async () => {
    const password = await broker.token({ acl: [{ actions: ["publish"], topic: "answer/mine" }] });
    const watcher = await broker.connect();
    await watcher.subscribe("answer/yours");
    const newer = await broker.connect({ password });
    expect((await newer.publish("answer/yours", "x", { qos: 1 }))?.reasonCode).toBe(0x87);
    expect((await newer.publish("answer/yours", "x", { qos: 2 }))?.reasonCode).toBe(0x87);
    const older = await broker.connect({ version: 4, username: "u", password });
    expect((await older.publish("answer/yours", "x", { qos: 1 }))?.reasonCode).toBe(0);
    expect((await older.publish("answer/yours", "x", { qos: 2 }))?.reasonCode).toBe(0);
    await watcher.expectSilence();
  });
});

describe("what a connection sends is handled, whatever ends it", () => {
  const will = {
    topic: "ends/will",
    payload: Buffer.from("will"),
    qos: 0,
    retain: false,
    properties: {},
  } as const;

  test("CONNECT, messages and the end of the network in one write [MQTT-3.3.4-1]", async () => {
    const watcher = await broker.connect();
    await watcher.subscribe("ends/#");
    const client = await broker.open({ will });
    client.send(
      client.connectPacket(),
      client.publishPacket("ends/0", "0"),
      client.publishPacket("ends/1", "1", { qos: 1 }),
    );
    client.end();
    expect(textsOf(await watcher.receiveAll("publish", 3))).toEqual(["0", "1", "will"]);
  });

  test("CONNECT, a message and DISCONNECT in one write", async () => {
    const watcher = await broker.connect();
    await watcher.subscribe("ends/#");
    const client = await broker.open({ will });
    client.send(client.connectPacket(), client.publishPacket("ends/0", "0"), {
      type: "disconnect",
      reasonCode: 0,
    });
    await client.closed;
    expect(textOf(await watcher.receive("publish"))).toBe("0");
    await watcher.expectSilence();
  });

  test("a payload of any size arrives whole, at every QoS and with everybody's own properties", async () => {
    const properties = { contentType: "x", messageExpiryInterval: 60 };
    const subscribers = await Promise.all([
      broker.connect(),
      broker.connect({ properties: { topicAliasMaximum: 3 } }),
      broker.connect(),
      broker.connect({ version: 4 }),
      broker.connect(),
    ]);
    for (const [index, client] of subscribers.entries()) {
      const identified = index === 2 ? { subscriptionIdentifier: 3 } : undefined;
      await client.subscribe({ topicFilter: "large", qos: (index % 3) as 0 | 1 | 2 }, identified);
    }
    for (const size of [16_000, 16_385, 65_536, 1_000_000]) {
      const payload = Buffer.alloc(size, `${size} `);
      await publisher.publish("large", payload, { qos: 2, properties });
      for (const [index, client] of subscribers.entries()) {
        const message = await client.receiveMessage();
        expect(payload.equals(message.payload)).toBe(true);
        expect(message.qos).toBe(index % 3);
        if (client.version === 5) expect(message.properties).toMatchObject(properties);
      }
    }
  });
});

describe("3.3.4 overlapping subscriptions", () => {
  test.each([
    [2, 2],
    [1, 1],
    [0, 0],
  ] as const)(
    "a message at QoS %i comes once, at QoS %i: the highest that was granted [MQTT-3.3.4-2]",
    async (qos, delivered) => {
      const client = await broker.connect();
      await client.subscribe([
        { topicFilter: "overlap/#", qos: 0 },
        { topicFilter: "overlap/+", qos: 2 },
        { topicFilter: "overlap/a", qos: 1 },
      ]);
      await publisher.publish("overlap/a", "x", { qos });
      expect(await client.receiveMessage()).toMatchObject({ qos: delivered });
      await client.expectSilence();
    },
  );

  test("one copy carries the identifiers of all that have one [MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.4-5]", async () => {
    const client = await broker.connect();
    await client.subscribe({ topicFilter: "ids/#", qos: 1 }, { subscriptionIdentifier: 1 });
    await client.subscribe("ids/+");
    await client.subscribe({ topicFilter: "ids/a", qos: 2 }, { subscriptionIdentifier: 268_435_455 });
    await client.subscribe("ids/b", { subscriptionIdentifier: 3 });
    await publisher.publish("ids/a", "x", { qos: 1 });
    const message = await client.receiveMessage();
    expect(message.properties?.subscriptionIdentifiers?.toSorted()).toEqual([1, 268_435_455]);
    await client.expectSilence();
    await publisher.publish("ids/c/d", "x");
    expect((await client.receive("publish")).properties).toEqual({ subscriptionIdentifiers: [1] });
  });

  test("no identifier is sent where the subscription has none [MQTT-3.3.4-3]", async () => {
    const client = await broker.connect();
    await client.subscribe("ids/none");
    await publisher.publish("ids/none", "x");
    expect((await client.receive("publish")).properties).toBeUndefined();
  });

  test("two subscriptions with the same identifier send it twice [MQTT-3.3.4-4]", async () => {
    const client = await broker.connect();
    await client.subscribe(["same/#", "same/+"], { subscriptionIdentifier: 9 });
    await publisher.publish("same/a", "x");
    const { properties } = await client.receive("publish");
    expect(properties?.subscriptionIdentifiers).toEqual([9, 9]); // of each
    await client.expectSilence();
  });

  test("a new SUBSCRIBE of a filter changes its identifier, or takes it away [MQTT-3.3.4-3]", async () => {
    const client = await broker.connect();
    for (const properties of [{ subscriptionIdentifier: 1 }, { subscriptionIdentifier: 2 }, {}]) {
      await client.subscribe("ids/changed", properties);
      await publisher.publish("ids/changed", "x");
      const identifier = properties.subscriptionIdentifier;
      expect((await client.receive("publish")).properties).toEqual(
        identifier === undefined ? undefined : { subscriptionIdentifiers: [identifier] },
      );
    }
  });

  test("identifiers come with what waited in a session, and with what is sent again [MQTT-3.3.4-3]", async () => {
    const properties = { sessionExpiryInterval: 60 };
    const first = await broker.connect({ clientId: "ids-away", properties });
    await first.subscribe({ topicFilter: "ids/away/#", qos: 1 }, { subscriptionIdentifier: 5 });
    await first.subscribe({ topicFilter: "ids/away/x", qos: 1 }, { subscriptionIdentifier: 6 });
    await first.disconnect();
    await publisher.publish("ids/away/x", "x", { qos: 1 });
    for (let i = 0; i < 2; i++) {
      const back = await broker.connect({ clientId: "ids-away", cleanStart: false, properties });
      const message = await back.receive("publish");
      expect(message.properties?.subscriptionIdentifiers?.toSorted()).toEqual([5, 6]);
      await back.cut();
    }
  });

  test("each client gets its own identifiers [MQTT-3.3.4-3]", async () => {
    const clients = await Promise.all(
      [11, 12, 13].map(async (subscriptionIdentifier) => {
        const client = await broker.connect();
        await client.subscribe({ topicFilter: "ids/each", qos: 1 }, { subscriptionIdentifier });
        return client;
      }),
    );
    await publisher.publish("ids/each", "x", { qos: 1 });
    const messages = await Promise.all(clients.map((client) => client.receiveMessage()));
    expect(messages.map(({ properties }) => properties?.subscriptionIdentifiers)).toEqual([[11], [12], [13]]);
  });

  test("No Local keeps a client's own messages from that subscription only", async () => {
    const client = await broker.connect({ clientId: "no-local" });
    await client.subscribe({ topicFilter: "local/#", qos: 2, noLocal: true }, { subscriptionIdentifier: 1 });
    await client.publish("local/a", "own", { qos: 1 });
    await client.expectSilence();
    await client.subscribe({ topicFilter: "local/a", qos: 0 }, { subscriptionIdentifier: 2 });
    await client.publish("local/a", "own", { qos: 1 });
    expect(await client.receive("publish")).toMatchObject({
      qos: 0,
      properties: { subscriptionIdentifiers: [2] },
    });
    await publisher.publish("local/a", "other", { qos: 1 });
    const message = await client.receiveMessage();
    expect([textOf(message), message.qos]).toEqual(["other", 1]);
    expect(message.properties?.subscriptionIdentifiers?.toSorted()).toEqual([1, 2]);
  });

  test("a client of 3.1.1 gets one copy at the highest QoS [MQTT-3.1.1 3.3.5-1]", async () => {
    const client = await broker.connect({ version: 4 });
    await client.subscribe([
      { topicFilter: "overlap4/#", qos: 1 },
      { topicFilter: "overlap4/+", qos: 2 },
    ]);
    await publisher.publish("overlap4/a", "x", { qos: 2 });
    expect(await client.receiveMessage()).toMatchObject({ qos: 2 });
    await client.expectSilence();
  });
});

describe("3.3.4 the client's Receive Maximum", () => {
  test.each([1, 2] as const)(
    "at QoS %i no more than it wait for their acknowledgement [MQTT-3.3.4-9]",
    async (qos) => {
      const client = await broker.connect({ properties: { receiveMaximum: 2 } });
      const topic = `quota/${qos}`;
      await client.subscribe({ topicFilter: topic, qos });
      for (const text of ["1", "2", "3", "4", "5"]) await publisher.publish(topic, text, { qos });
      const [first, second] = await client.receiveAll("publish", 2);
      await client.expectSilence();
      await client.acknowledge(second as PublishPacket); // out of order is fine
      expect(textOf(await client.receive("publish"))).toBe("3");
      await client.expectSilence();
      await client.acknowledge(first as PublishPacket);
      expect(textOf(await client.receive("publish"))).toBe("4");
      await client.expectSilence();
    },
  );

  test("PUBREC alone makes no room, PUBCOMP does, and a PUBREC that refuses does [MQTT-3.3.4-9]", async () => {
    const client = await broker.connect({ properties: { receiveMaximum: 1 } });
    await client.subscribe({ topicFilter: "quota/rec", qos: 2 });
    for (const text of ["1", "2", "3"]) await publisher.publish("quota/rec", text, { qos: 2 });
    const first = await client.receive("publish");
    client.send({ type: "pubrec", packetId: first.packetId, reasonCode: 0 });
    await client.receive("pubrel");
    await client.expectSilence();
    client.send({ type: "pubcomp", packetId: first.packetId, reasonCode: 0 });
    const second = await client.receive("publish");
    client.send({ type: "pubrec", packetId: second.packetId, reasonCode: 0x80 });
    expect(textOf(await client.receive("publish"))).toBe("3");
  });

  test("QoS 0 and every other packet go on meanwhile [MQTT-3.3.4-10]", async () => {
    const client = await broker.connect({ properties: { receiveMaximum: 1 } });
    await client.subscribe({ topicFilter: "quota/full", qos: 2 });
    await publisher.publish("quota/full", "1", { qos: 1 });
    await publisher.publish("quota/full", "2", { qos: 1 });
    await client.receive("publish");

    await publisher.publish("quota/full", "passes", { qos: 0 });
    expect(textOf(await client.receive("publish"))).toBe("passes");
    expect((await client.subscribe("quota/other")).reasonCodes).toEqual([0]);
    expect((await client.publish("quota/unheard", "x", { qos: 1 }))?.reasonCode).toBe(0);
    expect((await client.publish("quota/unheard", "x", { qos: 2 }))?.reasonCode).toBe(0);
    expect((await client.unsubscribe("quota/other")).reasonCodes).toEqual([0]);
    await client.expectSilence();
  });

  test("thousands that wait come in order and whole, a few at a time [MQTT-3.3.4-9]", async () => {
    const count = 3_000;
    const client = await broker.connect({ properties: { receiveMaximum: 3 } });
    await client.subscribe({ topicFilter: "quota/many", qos: 1 });
    const texts = Array.from({ length: count }, (_, index) => `${index} ${"x".repeat(index % 97)}`);
    const batch = 500;
    for (let from = 0; from < count; from += batch) {
      publisher.send(
        ...texts
          .slice(from, from + batch)
          .map((text) => publisher.publishPacket("quota/many", text, { qos: 1 })),
      );
      await publisher.receiveAll("puback", batch);
    }
    const messages: PublishPacket[] = [];
    while (messages.length < count) messages.push(await client.receiveMessage());
    expect(textsOf(messages)).toEqual(texts);
  });

  test("a reconnect begins with the new connection's Receive Maximum [MQTT-3.3.4-9]", async () => {
    const first = await broker.connect({
      clientId: "quota-anew",
      properties: { receiveMaximum: 3, sessionExpiryInterval: 60 },
    });
    await first.subscribe({ topicFilter: "quota/anew", qos: 1 });
    for (const text of ["1", "2", "3", "4"]) await publisher.publish("quota/anew", text, { qos: 1 });
    await first.receiveAll("publish", 3);
    await first.cut();
    const back = await broker.connect({
      clientId: "quota-anew",
      cleanStart: false,
      properties: { receiveMaximum: 1 },
    });
    const texts: string[] = [];
    for (let i = 0; i < 4; i++) {
      const message = await back.receive("publish");
      await back.expectSilence();
      texts.push(`${textOf(message)} ${message.dup ? "again" : "new"}`);
      await back.acknowledge(message);
    }
    expect(texts).toEqual(["1 again", "2 again", "3 again", "4 new"]);
  });
});

describe("3.3.4 the broker's Receive Maximum", () => {
  let small: BrokerFixture;
  beforeAll(async () => {
    small = await startBroker({ mqtt: { receiveMaximum: 2 } });
  });
  afterAll(() => small.close());

  const send = (client: MqttTestClient, packetId: number): void =>
    client.send(client.publishPacket("inbound", "x", { qos: 2, packetId }));

  test("it is told, and one more unfinished PUBLISH ends the connection with 0x93 [MQTT-3.3.4-7]", async () => {
    const client = await small.connect();
    expect(client.connack?.properties?.receiveMaximum).toBe(2);
    send(client, 1);
    send(client, 2);
    await client.receiveAll("pubrec", 2);
    send(client, 3);
    expect((await client.closed).disconnect?.reasonCode).toBe(RECEIVE_MAXIMUM_EXCEEDED);
  });

  test("PUBCOMP makes room again, and so does PUBACK [MQTT-3.3.4-7]", async () => {
    const client = await small.connect();
    for (let packetId = 1; packetId <= 10; packetId++) {
      send(client, packetId);
      await client.receive("pubrec");
      await client.release(packetId);
      await client.publish("inbound", "x", { qos: 1, packetId: 100 });
    }
    send(client, 1);
    await client.receive("pubrec");
    for (let i = 0; i < 10; i++) await client.publish("inbound", "x", { qos: 1, packetId: 100 });
    await client.expectSilence();
  });

  test("the same unfinished PUBLISH again counts once [MQTT-3.3.4-7]", async () => {
    const client = await small.connect();
    for (let i = 0; i < 5; i++) {
      send(client, 7);
      await client.receive("pubrec");
    }
    send(client, 8);
    await client.receive("pubrec");
    await client.expectSilence();
  });

  test("QoS 0 is not counted [MQTT-3.3.4-7]", async () => {
    const client = await small.connect();
    send(client, 1);
    send(client, 2);
    await client.receiveAll("pubrec", 2);
    for (let i = 0; i < 10; i++) await client.publish("inbound", "x");
    await client.expectSilence();
  });

  test("a resumed session begins a new count, and its unfinished ids can be finished [MQTT-3.3.4-7]", async () => {
    const properties = { sessionExpiryInterval: 60 };
    const first = await small.connect({ clientId: "counted", properties });
    send(first, 1);
    send(first, 2);
    await first.receiveAll("pubrec", 2);
    await first.cut();
    const back = await small.connect({ clientId: "counted", cleanStart: false, properties });
    for (const packetId of [1, 2]) {
      back.send(back.publishPacket("inbound", "x", { qos: 2, packetId, dup: true }));
      await back.receive("pubrec");
      expect((await back.release(packetId)).reasonCode).toBe(0);
    }
    send(back, 3);
    send(back, 4);
    await back.receiveAll("pubrec", 2);
    await back.expectSilence();
  });

  test("a client of 3.1.1 may send more, and all are taken", async () => {
    const client = await small.connect({ version: 4 });
    for (let packetId = 1; packetId <= 10; packetId++) send(client, packetId);
    expect((await client.receiveAll("pubrec", 10)).map(({ packetId }) => packetId)).toHaveLength(10);
    for (let packetId = 1; packetId <= 10; packetId++) await client.release(packetId);
  });
});
