import {
  type BrokerFixture,
  type ClientOptions,
  type MqttTestClient,
  startBroker,
  textOf,
} from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

let broker: BrokerFixture;

beforeAll(async () => {
  broker = await startBroker();
});
afterAll(() => broker.close());

function persistent(clientId: string): ClientOptions {
  return { clientId, cleanStart: false, properties: { sessionExpiryInterval: 60 } };
}

async function textsOf(client: MqttTestClient, count: number): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) texts.push(textOf(await client.receiveMessage()));
  return texts;
}

/** Resolves when the broker has handled what the client sent. Messages that come meanwhile are not acknowledged. */
async function handledAll(client: MqttTestClient): Promise<void> {
  client.send({ type: "pingreq" });
  while ((await client.receive()).type !== "pingresp");
}

describe("4.5 Message receipt", () => {
  test("a message is added to every session that matches: connected, away, brief, at any QoS, once each [MQTT-4.5.0-1]", async () => {
    const away = await broker.connect(persistent("away"));
    await away.subscribe({ topicFilter: "every/#", qos: 1 });
    await away.cut();
    const connected = [
      await broker.connect(persistent("persistent")),
      await broker.connect({ clientId: "brief" }),
      await broker.connect({ clientId: "older", version: 4 }),
    ];
    for (const client of connected) await client.subscribe({ topicFilter: "every/+", qos: 2 });
    const zero = await broker.connect();
    await zero.subscribe("every/a");
    const publisher = await broker.connect();
    await publisher.publish("every/a", "x", { qos: 2 });

    for (const client of connected) {
      expect(await client.receiveMessage()).toMatchObject({ topic: "every/a", qos: 2, dup: false });
      await client.expectSilence();
    }
    expect(await zero.receive("publish")).toMatchObject({ topic: "every/a", qos: 0 });
    const back = await broker.connect(persistent("away"));
    expect(await back.receiveMessage()).toMatchObject({ topic: "every/a", qos: 1 });
    await back.expectSilence();
  });

  test("overlapping subscriptions of one session get one copy, at the highest QoS, with all identifiers [MQTT-4.5.0-1] [MQTT-3.3.4-2] [MQTT-3.3.4-4]", async () => {
    for (const options of [persistent("overlapping"), { clientId: "overlapping too" }]) {
      const client = await broker.connect(options);
      await client.subscribe({ topicFilter: "over/#", qos: 0 }, { subscriptionIdentifier: 1 });
      await client.subscribe({ topicFilter: "over/+", qos: 2 }, { subscriptionIdentifier: 2 });
      await client.subscribe({ topicFilter: "over/a", qos: 1 });
      const publisher = await broker.connect();
      await publisher.publish("over/a", "x", { qos: 2 });
      const packet = await client.receiveMessage();
      expect(packet.qos).toBe(2);
      expect(packet.properties?.subscriptionIdentifiers?.toSorted()).toEqual([1, 2]);
      await client.expectSilence();
      await client.disconnect();
    }
  });
});

describe("4.6 Message ordering", () => {
  const subscribers: readonly [string, (name: string) => ClientOptions][] = [
    ["a session that ends with its connection", (name) => ({ clientId: name })],
    ["a persistent session", persistent],
    [
      "a persistent session with a Receive Maximum of 1",
      (name) => ({
        clientId: name,
        cleanStart: false,
        properties: { sessionExpiryInterval: 60, receiveMaximum: 1 },
      }),
    ],
  ];

  describe.each(subscribers)("to %s", (name, optionsOf) => {
    test.each([0, 1, 2] as const)(
      "QoS %i of one publisher arrives in its order [MQTT-4.6.0-5] [MQTT-4.6.0-6]",
      async (qos) => {
        const topic = `order/${name}/${qos}`;
        const client = await broker.connect(optionsOf(topic));
        await client.subscribe({ topicFilter: topic, qos });
        const publisher = await broker.connect();
        const sent = Array.from({ length: 200 }, (_, index) => String(index));
        for (const [index, payload] of sent.entries())
          publisher.send(publisher.publishPacket(topic, payload, { qos, packetId: index + 1 }));
        expect(await textsOf(client, sent.length)).toEqual(sent);
      },
    );

    // A retained message waits for the engine, others may not: neither overtakes
    test.each([1, 2] as const)(
      "retained and other messages of QoS %i do not overtake each other [MQTT-4.6.0-5]",
      async (qos) => {
        const topic = `mixed/${name}/${qos}`;
        const client = await broker.connect(optionsOf(topic));
        await client.subscribe({ topicFilter: topic, qos });
        const publisher = await broker.connect();
        const sent = Array.from({ length: 60 }, (_, index) => String(index));
        for (const [index, payload] of sent.entries()) {
          const retain = index % 3 === 0;
          publisher.send(publisher.publishPacket(topic, payload, { qos, retain, packetId: index + 1 }));
        }
        expect(await textsOf(client, sent.length)).toEqual(sent);
      },
    );
  });

  test("what waited while the client was away comes before what is published now [MQTT-4.6.0-5]", async () => {
    const client = await broker.connect(persistent("caught up"));
    await client.subscribe({ topicFilter: "caught/+", qos: 1 });
    await client.cut();
    const publisher = await broker.connect();
    const sent = Array.from({ length: 1_000 }, (_, index) => String(index));
    for (const payload of sent.slice(0, 500)) await publisher.publish("caught/up", payload, { qos: 1 });
    const back = await broker.connect(persistent("caught up"));
    for (const payload of sent.slice(500))
      publisher.send(publisher.publishPacket("caught/up", payload, { qos: 1 }));
    expect(await textsOf(back, sent.length)).toEqual(sent);
    await back.expectSilence();
  });

  test("also where both come at the same moment [MQTT-4.6.0-5]", async () => {
    const options = persistent("at the same moment");
    const client = await broker.connect(options);
    await client.subscribe({ topicFilter: "moment", qos: 1 });
    await client.cut();
    const publisher = await broker.connect();
    const sent = Array.from({ length: 6_000 }, (_, index) => String(index));
    const publish = async (payloads: readonly string[], atOnce: number): Promise<void> => {
      for (let start = 0; start < payloads.length; start += atOnce) {
        const some = payloads.slice(start, start + atOnce);
        publisher.send(...some.map((payload) => publisher.publishPacket("moment", payload, { qos: 1 })));
        await publisher.receiveAll("puback", some.length);
      }
    };
    await publish(sent.slice(0, 5_000), 500);
    const returning = broker.connect(options);
    await publish(sent.slice(5_000), 10);
    const back = await returning;
    expect(await textsOf(back, sent.length)).toEqual(sent);
    await back.expectSilence();
  });

  test.each([1, 2, 5])(
    "and where messages and acknowledgements cross, with a Receive Maximum of %i [MQTT-4.6.0-5]",
    async (receiveMaximum) => {
      const topic = `crossing/${receiveMaximum}`;
      const properties = { sessionExpiryInterval: 60, receiveMaximum };
      const client = await broker.connect({ clientId: topic, cleanStart: false, properties });
      await client.subscribe({ topicFilter: topic, qos: 1 });
      const publisher = await broker.connect();
      const sent = Array.from({ length: 400 }, (_, index) => String(index));
      const publishing = (async () => {
        for (const payload of sent) await publisher.publish(topic, payload, { qos: 1 });
      })();
      const [received] = await Promise.all([textsOf(client, sent.length), publishing]);
      expect(received).toEqual(sent);
    },
  );

  test("the order holds across a reconnect in the middle, and nothing is lost [MQTT-4.6.0-5]", async () => {
    let client = await broker.connect(persistent("middle"));
    await client.subscribe({ topicFilter: "middle", qos: 1 });
    const publisher = await broker.connect();
    const sent = Array.from({ length: 300 }, (_, index) => String(index));
    for (const [index, payload] of sent.entries())
      publisher.send(publisher.publishPacket("middle", payload, { qos: 1, packetId: index + 1 }));
    const received: string[] = [];
    for (const stop of [70, 150, 300]) {
      received.push(...(await textsOf(client, stop - received.length)));
      await handledAll(client);
      await client.cut();
      client = await broker.connect(persistent("middle"));
    }
    expect(received).toEqual(sent);
  });
});

describe("acknowledgements of the broker", () => {
  test("leave in the order in which their PUBLISHes came, whichever waits for the engine", async () => {
    const keeper = await broker.connect(persistent("keeper"));
    await keeper.subscribe({ topicFilter: "acks/kept", qos: 2 });
    await keeper.cut();
    const client = await broker.connect();
    const packets = Array.from({ length: 90 }, (_, index) =>
      client.publishPacket(index % 2 === 0 ? "acks/kept" : "acks/unheard", "", {
        qos: index % 3 === 0 ? 2 : 1,
        retain: index % 7 === 0,
        packetId: index + 1,
      }),
    );
    client.send(...packets);
    const answers = [];
    while (answers.length < packets.length) {
      const packet = await client.receive();
      if (packet.type === "puback" || packet.type === "pubrec") answers.push([packet.type, packet.packetId]);
    }
    expect(answers).toEqual(packets.map(({ qos, packetId }) => [qos === 1 ? "puback" : "pubrec", packetId]));
  });

  test("a refused PUBLISH waits its turn behind one that the engine has not got yet", async () => {
    const acl = [{ actions: ["publish"], topic: "turn/open" }];
    const client = await broker.connect({ password: await broker.token({ acl }) });
    client.send(
      client.publishPacket("turn/open", "x", { qos: 1, retain: true, packetId: 1 }),
      client.publishPacket("turn/closed", "x", { qos: 1, packetId: 2 }),
      client.publishPacket("turn/open", "x", { qos: 1, packetId: 3 }),
    );
    const codes = (await client.receiveAll("puback", 3)).map(({ packetId, reasonCode }) => [
      packetId,
      reasonCode,
    ]);
    expect(codes).toEqual([
      [1, 0],
      [2, 0x87],
      [3, 0],
    ]);
  });
});
