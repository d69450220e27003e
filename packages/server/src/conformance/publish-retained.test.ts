import type { PublishPacket, RetainHandling } from "@weir/protocol";
import { type BrokerFixture, type MqttTestClient, startBroker, textOf } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

let broker: BrokerFixture;
let publisher: MqttTestClient;
beforeAll(async () => {
  broker = await startBroker();
  publisher = await broker.connect();
});
afterAll(() => broker.close());

const retain = (topic: string, payload: string, qos: 0 | 1 | 2 = 1): Promise<unknown> =>
  publisher.publish(topic, payload, { qos, retain: true });

/** What a client gets that subscribes now, and nothing else. */
async function retainedAt(
  topicFilter: string,
  options: { version?: 3 | 4 | 5 } = {},
): Promise<PublishPacket[]> {
  const client = await broker.connect({ clientId: `late-${Math.random()}`, ...options });
  await client.subscribe({ topicFilter, qos: 2 });
  client.send({ type: "pingreq" });
  const messages: PublishPacket[] = [];
  for (;;) {
    const packet = await client.receive();
    if (packet.type === "pingresp") return messages;
    if (packet.type === "publish") messages.push(packet);
  }
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const textsAt = async (topicFilter: string): Promise<string[]> =>
  (await retainedAt(topicFilter)).map((message) => textOf(message));

describe("3.3.1.3 RETAIN", () => {
  test.each([0, 1, 2] as const)(
    "a message at QoS %i with RETAIN 1 takes the place of the retained one [MQTT-3.3.1-5]",
    async (qos) => {
      const topic = `replace/${qos}`;
      await retain(topic, "old", qos);
      await retain(topic, "new", qos);
      await publisher.expectSilence();
      const [message, ...others] = await retainedAt(topic);
      expect(others).toEqual([]);
      expect(message).toMatchObject({ topic, qos, retain: true, dup: false });
      expect(textOf(message as PublishPacket)).toBe("new");
    },
  );

  test("a lower QoS takes the place of a higher one [MQTT-3.3.1-5]", async () => {
    await retain("replace/lower", "two", 2);
    await retain("replace/lower", "zero", 0);
    await publisher.expectSilence();
    expect(await retainedAt("replace/lower")).toMatchObject([{ qos: 0, payload: bytesOf("zero") }]);
  });

  test("an empty payload removes the retained message, and reaches the subscribers [MQTT-3.3.1-6]", async () => {
    await retain("empty/removes", "x");
    const client = await broker.connect();
    await client.subscribe({ topicFilter: "empty/removes", qos: 1 });
    await client.receiveMessage();
    await retain("empty/removes", "");
    expect(await client.receiveMessage()).toMatchObject({ payload: bytesOf(""), retain: false });
    expect(await retainedAt("empty/removes")).toEqual([]);
  });

  test("an empty message is never a retained one [MQTT-3.3.1-7]", async () => {
    for (const qos of [0, 1, 2] as const) await retain("empty/alone", "", qos);
    expect(await retainedAt("empty/alone")).toEqual([]);
  });

  test("RETAIN 0 neither stores nor removes [MQTT-3.3.1-8]", async () => {
    await publisher.publish("plain/none", "x", { qos: 1 });
    await retain("plain/kept", "kept");
    await publisher.publish("plain/kept", "passing", { qos: 1 });
    await publisher.publish("plain/kept", "", { qos: 1 });
    expect(await textsAt("plain/+")).toEqual(["kept"]);
  });

  test("a retained message keeps its properties", async () => {
    const properties = {
      payloadFormatIndicator: 1,
      contentType: "a/b",
      responseTopic: "r",
      correlationData: Uint8Array.of(7),
      userProperties: [
        ["z", "1"],
        ["a", "2"],
      ],
    } as const;
    await publisher.publish("kept/properties", "x", { qos: 1, retain: true, properties });
    const [message] = await retainedAt("kept/properties");
    expect(message?.properties).toEqual(properties);
  });

  test.each([3, 4] as const)(
    "a client of version %i gets it with RETAIN 1, and live messages with 0 [MQTT-3.1.1 3.3.1-8, 3.3.1-9]",
    async (version) => {
      const topic = `old/${version}`;
      await retain(topic, "kept");
      const client = await broker.connect({ version, clientId: topic });
      await client.subscribe(topic);
      expect(await client.receive("publish")).toMatchObject({ retain: true, qos: 0 });
      await retain(topic, "live");
      expect(await client.receive("publish")).toMatchObject({ retain: false, payload: bytesOf("live") });
    },
  );
});

describe("3.8.3.1 Retain Handling", () => {
  const subscription = (topicFilter: string, retainHandling: RetainHandling) =>
    ({ topicFilter, qos: 1, retainHandling }) as const;

  test("0: retained messages come at each SUBSCRIBE [MQTT-3.3.1-9]", async () => {
    await retain("handling/0", "x");
    const client = await broker.connect();
    for (let i = 0; i < 2; i++) {
      await client.subscribe(subscription("handling/0", 0));
      expect(await client.receiveMessage()).toMatchObject({ topic: "handling/0", retain: true });
      await client.expectSilence();
    }
  });

  test("1: they come if the subscription is new, and again after UNSUBSCRIBE [MQTT-3.3.1-10]", async () => {
    await retain("handling/1", "x");
    const client = await broker.connect();
    await client.subscribe(subscription("handling/1", 1));
    await client.receiveMessage();
    await client.subscribe(subscription("handling/1", 1));
    await client.expectSilence();
    await client.unsubscribe("handling/1");
    await client.subscribe(subscription("handling/1", 1));
    await client.receiveMessage();
  });

  test("1: a resumed session's subscription is not new [MQTT-3.3.1-10]", async () => {
    await retain("handling/resumed", "x");
    const first = await broker.connect({ clientId: "handling", properties: { sessionExpiryInterval: 60 } });
    await first.subscribe(subscription("handling/resumed", 1));
    await first.receiveMessage();
    await first.disconnect();
    const back = await broker.connect({ clientId: "handling", cleanStart: false });
    await back.subscribe(subscription("handling/resumed", 1));
    await back.expectSilence();
  });

  test("2: they never come, live messages do [MQTT-3.3.1-11]", async () => {
    await retain("handling/2", "x");
    const client = await broker.connect();
    await client.subscribe(subscription("handling/2", 2));
    await client.expectSilence();
    await retain("handling/2", "live");
    expect(textOf(await client.receiveMessage())).toBe("live");
  });

  test("a filter with wildcards gets one message for each matching topic [MQTT-3.3.1-9]", async () => {
    for (const topic of ["wild/a", "wild/b", "wild/b/c", "wild", "wilder"]) await retain(topic, topic);
    expect((await textsAt("wild/#")).toSorted()).toEqual(["wild", "wild/a", "wild/b", "wild/b/c"]);
    expect((await textsAt("wild/+")).toSorted()).toEqual(["wild/a", "wild/b"]);
    expect(await textsAt("+/b/+")).toEqual(["wild/b/c"]);
  });

  test("the QoS is at most the granted one [MQTT-3.8.4-8]", async () => {
    await retain("bounded/2", "x", 2);
    const client = await broker.connect();
    for (const qos of [0, 1, 2] as const) {
      await client.subscribe({ topicFilter: "bounded/2", qos });
      expect(await client.receiveMessage()).toMatchObject({ qos, retain: true });
    }
  });

  test("they carry the subscription's identifier [MQTT-3.3.4-3]", async () => {
    await retain("identified", "x");
    const client = await broker.connect();
    await client.subscribe("identified", { subscriptionIdentifier: 268_435_455 });
    expect((await client.receive("publish")).properties).toEqual({ subscriptionIdentifiers: [268_435_455] });
  });

  test("a client gets its own retained messages", async () => {
    const client = await broker.connect({ clientId: "own-retained" });
    await client.publish("own/retained", "x", { qos: 1, retain: true });
    await client.subscribe({ topicFilter: "own/retained", qos: 1 });
    expect(await client.receiveMessage()).toMatchObject({ retain: true });
  });

  test("more retained messages than Receive Maximum come as they are acknowledged [MQTT-3.3.4-9]", async () => {
    for (let i = 0; i < 10; i++) await retain(`many/${i}`, String(i));
    const client = await broker.connect({ properties: { receiveMaximum: 3 } });
    await client.subscribe({ topicFilter: "many/+", qos: 1 });
    const first = await client.receiveAll("publish", 3);
    await client.expectSilence();
    for (const message of first) await client.acknowledge(message);
    const rest: PublishPacket[] = [];
    while (rest.length < 7) rest.push(await client.receiveMessage());
    const texts = [...first, ...rest].map((message) => textOf(message));
    expect(texts.toSorted()).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  });

  test("a message retained while a subscriber waits for its SUBACK reaches it once or twice, never not at all", async () => {
    const client = await broker.connect();
    client.send({
      type: "subscribe",
      packetId: 1,
      subscriptions: [
        { topicFilter: "race", qos: 1, noLocal: false, retainAsPublished: true, retainHandling: 0 },
      ],
    });
    await retain("race", "x");
    await client.receive("suback");
    expect(textOf(await client.receiveMessage())).toBe("x");
  });
});

describe("3.8.3.1 Retain As Published", () => {
  test("0: a forwarded message has RETAIN 0 [MQTT-3.3.1-12]", async () => {
    const client = await broker.connect();
    await client.subscribe({ topicFilter: "forwarded/0", qos: 1, retainAsPublished: false });
    await retain("forwarded/0", "x");
    expect(await client.receiveMessage()).toMatchObject({ retain: false });
  });

  test.each([0, 1, 2] as const)(
    "1: at QoS %i it has RETAIN as it was published [MQTT-3.3.1-13]",
    async (qos) => {
      const topic = `forwarded/1/${qos}`;
      const client = await broker.connect();
      await client.subscribe({ topicFilter: topic, qos, retainAsPublished: true });
      await publisher.publish(topic, "x", { qos, retain: true });
      expect(await client.receiveMessage()).toMatchObject({ retain: true, qos });
      await publisher.publish(topic, "x", { qos });
      expect(await client.receiveMessage()).toMatchObject({ retain: false, qos });
    },
  );

  test("the subscribers of one message each get what they asked for [MQTT-3.3.1-12] [MQTT-3.3.1-13]", async () => {
    const subscribers = await Promise.all(
      [true, false, true].map(async (retainAsPublished) => {
        const client = await broker.connect();
        await client.subscribe({ topicFilter: "forwarded/each", qos: 1, retainAsPublished });
        return client;
      }),
    );
    await retain("forwarded/each", "x");
    const messages = await Promise.all(subscribers.map((client) => client.receiveMessage()));
    expect(messages.map((message) => message.retain)).toEqual([true, false, true]);
  });

  test("1: a message that waited in a session keeps its RETAIN [MQTT-3.3.1-13]", async () => {
    const first = await broker.connect({ clientId: "rap-waits", properties: { sessionExpiryInterval: 60 } });
    await first.subscribe({ topicFilter: "forwarded/waits", qos: 1, retainAsPublished: true });
    await first.disconnect();
    await retain("forwarded/waits", "x");
    const back = await broker.connect({ clientId: "rap-waits", cleanStart: false });
    expect(await back.receiveMessage()).toMatchObject({ retain: true });
  });

  test("a message sent because of a subscription has RETAIN 1 either way", async () => {
    await retain("forwarded/new", "x");
    const client = await broker.connect();
    for (const retainAsPublished of [false, true]) {
      await client.subscribe({ topicFilter: "forwarded/new", qos: 1, retainAsPublished });
      expect(await client.receiveMessage()).toMatchObject({ retain: true });
    }
  });
});
