import {
  type BrokerFixture,
  FakeClock,
  framed,
  framesOf,
  type MqttTestClient,
  packetBytes,
  startBroker,
  textOf,
} from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const SECOND = 1_000;
const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;
const TOPIC_ALIAS_INVALID = 0x94;

const clock = new FakeClock({ soon: "immediate" });
let broker: BrokerFixture;
let publisher: MqttTestClient;
beforeAll(async () => {
  broker = await startBroker({ clock });
  publisher = await broker.connect();
});
afterAll(() => broker.close());

const hexOf = (bytes: string): string => packetBytes(bytes).toString("hex");

async function refusalOf(...bytes: readonly Uint8Array[]): Promise<number | undefined> {
  const client = await broker.connect();
  client.send(...bytes);
  return (await client.closed).disconnect?.reasonCode;
}

type Case = readonly [what: string, bytes: Uint8Array];

function refuses(reasonCode: number, cases: readonly Case[]): void {
  test.each(cases)(`%s ends the connection with 0x${reasonCode.toString(16)}`, async (_, bytes) => {
    expect(await refusalOf(bytes)).toBe(reasonCode);
  });
}

/** A session that has subscribed at QoS 1 and is away. */
async function awaySession(clientId: string, topicFilter: string): Promise<void> {
  const client = await broker.connect({ clientId, properties: { sessionExpiryInterval: 3_600 } });
  await client.subscribe({ topicFilter, qos: 1 });
  await client.disconnect();
}

/** As `/metrics` says. */
async function retainedCount(): Promise<number> {
  const metrics = await fetch(`http://127.0.0.1:${broker.addresses.http.port}/metrics`);
  return Number(/^weir_retained_messages (\d+)$/m.exec(await metrics.text())?.[1]);
}

/** Two minutes and two checkpoints: the second begins when the first has finished. */
async function letExpire(): Promise<void> {
  for (const seconds of [120, 2]) {
    clock.advance(seconds * SECOND);
    await publisher.expectSilence();
  }
}

describe("3.3.1 header flags", () => {
  refuses(MALFORMED, [
    ["a PUBLISH with QoS bits 11 [MQTT-3.3.1-4]", framed(0x36, `"a" 0001 00`)],
    ["a PUBLISH at QoS 0 with DUP 1 [MQTT-3.3.1-2]", framed(0x38, `"a" 00`)],
  ]);

  test("a message at QoS 0 is forwarded with DUP 0 [MQTT-3.3.1-2]", async () => {
    const client = await broker.connect();
    await client.subscribe("dup/0");
    await publisher.publish("dup/0", "x", { qos: 1, dup: true });
    expect(await client.receive("publish")).toMatchObject({ qos: 0, dup: false });
  });

  test.each([1, 2] as const)("DUP of a PUBLISH at QoS %i is not passed on [MQTT-3.3.1-3]", async (qos) => {
    const client = await broker.connect();
    await client.subscribe({ topicFilter: "dup/in", qos });
    await publisher.publish("dup/in", "x", { qos, dup: true });
    expect(await client.receiveMessage()).toMatchObject({ qos, dup: false });
  });

  test("a message that waited in a session goes out first with DUP 0, then with DUP 1 [MQTT-3.3.1-1] [MQTT-3.3.1-3]", async () => {
    await awaySession("dup", "dup/away");
    await publisher.publish("dup/away", "x", { qos: 1, dup: true });
    for (const dup of [false, true]) {
      const client = await broker.connect({
        clientId: "dup",
        cleanStart: false,
        properties: { sessionExpiryInterval: 60 },
      });
      expect(await client.receive("publish")).toMatchObject({ dup, packetId: 1 });
      await client.disconnect();
    }
  });
});

describe("3.3.2.1 topic name", () => {
  refuses(MALFORMED, [
    ["a + in the topic name [MQTT-3.3.2-2]", framed(0x30, `"a/+" 00`)],
    ["a # in the topic name [MQTT-3.3.2-2]", framed(0x30, `"#" 00`)],
    ["a + within a level of the topic name [MQTT-3.3.2-2]", framed(0x30, `"a+b" 00`)],
    ["a topic name that is no UTF-8 [MQTT-3.3.2-1]", framed(0x30, `0002 c328 00`)],
    ["a PUBLISH without a topic name [MQTT-3.3.2-1]", framed(0x30, `00`)],
  ]);
  refuses(PROTOCOL_ERROR, [["an empty topic name without an alias", framed(0x30, `"" 00`)]]);

  test("the topic name stands first in what is sent, and matches the filter [MQTT-3.3.2-1] [MQTT-3.3.2-3]", async () => {
    const client = await broker.connect();
    await client.subscribe(["name/+/x", "other/#"]);
    for (const topic of ["name/1/x", "name/1/y", "name/1/x/z", "other", "another"])
      await publisher.publish(topic, "!");
    await publisher.publish("other/last", "!");
    await client.receiveAll("publish", 3);
    await client.expectSilence();
    expect(framesOf(client.chunks).filter((frame) => frame.startsWith("30"))).toEqual([
      hexOf(`30 0c "name/1/x" 00 21`),
      hexOf(`30 09 "other" 00 21`),
      hexOf(`30 0e "other/last" 00 21`),
    ]);
  });

  test("a topic beyond the broker's bounds gets 0x90 where an ack can say it, else the close", async () => {
    const deep = "a/".repeat(200);
    const answer = await (await broker.connect()).publish(deep, "x", { qos: 1 });
    expect(answer?.reasonCode).toBe(0x90);
    const client = await broker.connect();
    await client.publish(deep, "x");
    expect((await client.closed).disconnect?.reasonCode).toBe(0x90);
  });
});

describe("3.3.2.3 properties that travel with the message", () => {
  const properties = {
    payloadFormatIndicator: 1,
    contentType: "text/plain; ü",
    responseTopic: "answers/ü",
    correlationData: Uint8Array.of(0, 1, 2, 254, 255),
    userProperties: [
      ["b", "2"],
      ["a", "1"],
      ["b", "2"],
      ["b", ""],
      ["", "x"],
    ],
  } as const;
  const ids =
    "[MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20]";

  test.each([0, 1, 2] as const)(
    `at QoS %i all arrive unchanged, user properties in their order ${ids}`,
    async (qos) => {
      const topic = `properties/${qos}`;
      const subscribers = await Promise.all([broker.connect(), broker.connect(), broker.connect()]);
      for (const client of subscribers) await client.subscribe({ topicFilter: topic, qos });
      await publisher.publish(topic, "x", { qos, properties });
      for (const client of subscribers)
        expect((await client.receiveMessage()).properties).toEqual(properties);
    },
  );

  test(`they wait with the message in a session ${ids}`, async () => {
    await awaySession("properties-away", "properties/away");
    await publisher.publish("properties/away", "x", { qos: 1, properties });
    const client = await broker.connect({ clientId: "properties-away", cleanStart: false });
    expect((await client.receiveMessage()).properties).toEqual(properties);
  });

  test("each alone is forwarded alone, byte by byte [MQTT-3.3.2-4] [MQTT-3.3.2-17]", async () => {
    const client = await broker.connect();
    await client.subscribe("alone");
    const sections = [
      `02 01 00`, // payload format indicator 0
      `02 01 01`,
      `04 03 "x"`, // content type
      `03 03 ""`,
      `04 08 "r"`, // response topic
      `05 09 0002 00ff`, // correlation data
      `03 09 0000`,
      `07 26 "n" "v"`, // user property
    ];
    publisher.send(...sections.map((section) => framed(0x30, `"alone" ${section} 21`)));
    await client.receiveAll("publish", sections.length);
    const received = framesOf(client.chunks).filter((frame) => frame.startsWith("30"));
    expect(received).toEqual(
      sections.map((section) => framed(0x30, `"alone" ${section} 21`).toString("hex")),
    );
  });

  test("a client of 3.1.1 gets the message without them", async () => {
    const client = await broker.connect({ version: 4 });
    await client.subscribe("properties/v4");
    await publisher.publish("properties/v4", "x", { properties });
    const message = await client.receive("publish");
    expect([textOf(message), message.properties]).toEqual(["x", undefined]);
  });

  test("a client of 3.1.1 publishes without any", async () => {
    const client = await broker.connect();
    await client.subscribe("properties/from-v4");
    const old = await broker.connect({ version: 4 });
    await old.publish("properties/from-v4", "x");
    expect((await client.receive("publish")).properties).toBeUndefined();
  });

  refuses(MALFORMED, [
    ["a response topic that is no UTF-8 [MQTT-3.3.2-13]", framed(0x30, `"a" 05 08 0002 c328`)],
    ["a content type that is no UTF-8 [MQTT-3.3.2-19]", framed(0x30, `"a" 05 03 0002 c328`)],
    ["a user property without a value", framed(0x30, `"a" 04 26 "n"`)],
  ]);
  refuses(PROTOCOL_ERROR, [
    ["a # in the response topic [MQTT-3.3.2-14]", framed(0x30, `"a" 06 08 "b/#"`)],
    ["a + in the response topic [MQTT-3.3.2-14]", framed(0x30, `"a" 06 08 "+/b"`)],
    ["a payload format indicator of 2", framed(0x30, `"a" 02 01 02`)],
    ["a content type twice", framed(0x30, `"a" 08 03 "x" 03 "x"`)],
    ["a subscription identifier from a client [MQTT-3.3.4-6]", framed(0x30, `"a" 02 0b 01`)],
  ]);
});

describe("3.3.2.3.3 Message Expiry Interval", () => {
  const expiring = (messageExpiryInterval: number) =>
    ({ qos: 1, properties: { messageExpiryInterval } }) as const;

  test("what is forwarded at once keeps its interval [MQTT-3.3.2-6]", async () => {
    const client = await broker.connect();
    await client.subscribe({ topicFilter: "expiry/now", qos: 1 });
    await publisher.publish("expiry/now", "x", expiring(60));
    expect((await client.receiveMessage()).properties).toEqual({ messageExpiryInterval: 60 });
  });

  test("the time that it waited is taken off [MQTT-3.3.2-6]", async () => {
    await awaySession("expiry-waits", "expiry/waits");
    await publisher.publish("expiry/waits", "x", expiring(60));
    clock.advance(20 * SECOND);
    const client = await broker.connect({ clientId: "expiry-waits", cleanStart: false });
    expect((await client.receiveMessage()).properties).toEqual({ messageExpiryInterval: 40 });
  });

  test("a message that has expired is not delivered to the one who was away, but was to the other [MQTT-3.3.2-5]", async () => {
    await awaySession("expiry-away", "expiry/away");
    const present = await broker.connect();
    await present.subscribe({ topicFilter: "expiry/away", qos: 1 });
    await publisher.publish("expiry/away", "short", expiring(10));
    await publisher.publish("expiry/away", "long", expiring(100));
    await publisher.publish("expiry/away", "endless", { qos: 1 });
    expect(textOf(await present.receiveMessage())).toBe("short");

    clock.advance(10.5 * SECOND);
    const client = await broker.connect({ clientId: "expiry-away", cleanStart: false });
    expect(textOf(await client.receiveMessage())).toBe("long");
    expect(textOf(await client.receiveMessage())).toBe("endless");
    await client.expectSilence();
  });

  test("an interval of 0 reaches nobody who is away [MQTT-3.3.2-5]", async () => {
    await awaySession("expiry-zero", "expiry/zero");
    await publisher.publish("expiry/zero", "x", expiring(0));
    const client = await broker.connect({ clientId: "expiry-zero", cleanStart: false });
    await client.expectSilence();
  });

  test("what waits for room expires too [MQTT-3.3.2-5]", async () => {
    const client = await broker.connect({ properties: { receiveMaximum: 1 } });
    await client.subscribe({ topicFilter: "expiry/room", qos: 1 });
    await publisher.publish("expiry/room", "first", expiring(10));
    await publisher.publish("expiry/room", "expires", expiring(10));
    await publisher.publish("expiry/room", "stays", expiring(100));
    const first = await client.receive("publish");
    clock.advance(11 * SECOND);
    await client.acknowledge(first);
    const next = await client.receiveMessage();
    expect([textOf(next), next.properties?.messageExpiryInterval]).toEqual(["stays", 89]);
  });

  test("a retained message expires, and says how long it still lives [MQTT-3.3.2-5] [MQTT-3.3.2-6]", async () => {
    await publisher.publish("expiry/retained", "x", { ...expiring(30), retain: true });
    clock.advance(10 * SECOND);
    const early = await broker.connect();
    await early.subscribe({ topicFilter: "expiry/retained", qos: 1 });
    expect((await early.receiveMessage()).properties).toEqual({ messageExpiryInterval: 20 });
    clock.advance(20.5 * SECOND);
    const late = await broker.connect();
    await late.subscribe({ topicFilter: "expiry/retained", qos: 1 });
    await late.expectSilence();
  });

  test("a retained message that has expired is forgotten, and nobody is told that theirs was dropped [MQTT-3.3.2-5]", async () => {
    await letExpire();
    const before = await retainedCount();
    await publisher.publish("expiry/forgotten", "x", { ...expiring(30), retain: true });
    expect(await retainedCount()).toBe(before + 1);
    const client = await broker.connect();
    await client.subscribe("$client/dropped");
    clock.advance(31 * SECOND);
    await client.subscribe("expiry/forgotten");
    await letExpire();
    await client.expectSilence();
    expect(await retainedCount()).toBe(before);
  });
});

describe("3.3.2.3.4 topic aliases from the client", () => {
  test("an alias stands for its topic until it is given another [MQTT-3.3.2-12]", async () => {
    const watcher = await broker.connect();
    await watcher.subscribe("alias/in/+");
    const client = await broker.connect();
    client.send(
      framed(0x30, `"alias/in/a" 03 23 0001 31`),
      framed(0x30, `"" 03 23 0001 32`),
      framed(0x30, `"alias/in/b" 03 23 0002 33`),
      framed(0x30, `"" 03 23 0001 34`),
      framed(0x30, `"alias/in/c" 03 23 0001 35`),
      framed(0x30, `"" 03 23 0001 36`),
      framed(0x30, `"" 03 23 0002 37`),
    );
    const messages = await watcher.receiveAll("publish", 7);
    expect(messages.map((message) => `${message.topic} ${textOf(message)}`)).toEqual([
      "alias/in/a 1",
      "alias/in/a 2",
      "alias/in/b 3",
      "alias/in/a 4",
      "alias/in/c 5",
      "alias/in/c 6",
      "alias/in/b 7",
    ]);
    expect(messages.every(({ properties }) => properties === undefined)).toBe(true); // aliases are not passed on
  });

  test("every alias within the broker's maximum is taken [MQTT-3.3.2-12]", async () => {
    const watcher = await broker.connect();
    await watcher.subscribe({ topicFilter: "alias/all/+", qos: 1 });
    const client = await broker.connect();
    const maximum = client.connack?.properties?.topicAliasMaximum ?? 0;
    expect(maximum).toBe(64);
    for (const isFirst of [true, false]) {
      for (let topicAlias = 1; topicAlias <= maximum; topicAlias++) {
        const topic = isFirst ? `alias/all/${topicAlias}` : "";
        await client.publish(topic, "x", { properties: { topicAlias } });
      }
    }
    const topics = (await watcher.receiveAll("publish", 2 * maximum)).map(({ topic }) => topic);
    expect(new Set(topics).size).toBe(maximum);
    expect(topics.slice(maximum)).toEqual(topics.slice(0, maximum));
  });

  test("aliases belong to one connection [MQTT-3.3.2-7]", async () => {
    const one = await broker.connect();
    await one.publish("alias/one", "x", { qos: 1, properties: { topicAlias: 1 } });
    expect(await refusalOf(framed(0x30, `"" 03 23 0001`))).toBe(PROTOCOL_ERROR);
  });

  refuses(TOPIC_ALIAS_INVALID, [
    ["alias 0 [MQTT-3.3.2-8]", framed(0x30, `"a" 03 23 0000`)],
    ["an alias above the broker's maximum [MQTT-3.3.2-9] [MQTT-3.2.2-17]", framed(0x30, `"a" 03 23 0041`)],
    ["alias 65,535 [MQTT-3.3.2-9]", framed(0x30, `"a" 03 23 ffff`)],
  ]);
  refuses(PROTOCOL_ERROR, [["an alias that stands for nothing", framed(0x30, `"" 03 23 0040`)]]);

  test("a broker that takes none says nothing of them, and refuses them with 0x94 [MQTT-3.2.2-18]", async () => {
    const plain = await startBroker({ mqtt: { topicAliasMaximum: 0 } });
    const client = await plain.connect();
    expect(client.connack?.properties?.topicAliasMaximum ?? 0).toBe(0);
    await client.publish("a", "x", { properties: { topicAlias: 1 } });
    expect((await client.closed).disconnect?.reasonCode).toBe(TOPIC_ALIAS_INVALID);
    await plain.close();
  });
});

describe("3.3.2.3.4 topic aliases from the broker", () => {
  test.each([
    ["not given", undefined],
    ["0", 0],
  ])("a client whose maximum is %s gets none [MQTT-3.1.2-27]", async (_, topicAliasMaximum) => {
    const client = await broker.connect({
      properties: topicAliasMaximum === undefined ? {} : { topicAliasMaximum },
    });
    await client.subscribe("alias/none");
    for (let i = 0; i < 3; i++) await publisher.publish("alias/none", "x");
    for (const message of await client.receiveAll("publish", 3)) {
      expect(message.topic).toBe("alias/none");
      expect(message.properties).toBeUndefined();
    }
  });

  test("the broker uses aliases within the client's maximum, each told before it is used [MQTT-3.1.2-26] [MQTT-3.3.2-11] [MQTT-3.3.2-8]", async () => {
    const client = await broker.connect({ properties: { topicAliasMaximum: 2 } });
    await client.subscribe({ topicFilter: "alias/out/+", qos: 1 });
    const sent: string[] = [];
    for (const name of ["a", "b", "c", "a", "b", "c", "a"]) {
      await publisher.publish(`alias/out/${name}`, name, { qos: name === "b" ? 1 : 0 });
      sent.push(`alias/out/${name}`);
    }
    const messages = await client.receiveAll("publish", sent.length);
    const known = new Map<number, string>();
    const resolved = messages.map(({ topic, properties }) => {
      const alias = properties?.topicAlias;
      if (alias === undefined) return topic;
      expect([1, 2]).toContain(alias);
      if (topic !== "") known.set(alias, topic);
      return known.get(alias);
    });
    expect(resolved).toEqual(sent);
    expect(messages.filter(({ topic }) => topic === "").length).toBeGreaterThanOrEqual(3);
  });

  test("after a reconnect the broker tells its aliases anew [MQTT-3.3.2-7]", async () => {
    const properties = { topicAliasMaximum: 5, sessionExpiryInterval: 60 };
    const first = await broker.connect({ clientId: "alias-anew", properties });
    await first.subscribe({ topicFilter: "alias/anew", qos: 1 });
    for (let i = 0; i < 2; i++) await publisher.publish("alias/anew", "x", { qos: 1 });
    await first.receiveMessage();
    expect((await first.receiveMessage()).topic).toBe("");
    await first.disconnect();
    const back = await broker.connect({ clientId: "alias-anew", cleanStart: false, properties });
    await publisher.publish("alias/anew", "x", { qos: 1 });
    expect((await back.receiveMessage()).topic).toBe("alias/anew");
  });

  test("a message that is sent again does not rely on an alias of the lost connection [MQTT-3.3.2-7]", async () => {
    const properties = { topicAliasMaximum: 5, sessionExpiryInterval: 60 };
    const first = await broker.connect({ clientId: "alias-again", properties });
    await first.subscribe({ topicFilter: "alias/again", qos: 1 });
    for (let i = 0; i < 2; i++) await publisher.publish("alias/again", "x", { qos: 1 });
    expect((await first.receiveAll("publish", 2)).map(({ topic }) => topic)).toEqual(["alias/again", ""]);
    await first.cut();
    const back = await broker.connect({ clientId: "alias-again", cleanStart: false });
    const again = await back.receiveAll("publish", 2);
    expect(again.map(({ topic, dup }) => [topic, dup])).toEqual([
      ["alias/again", true],
      ["alias/again", true],
    ]);
  });

  test("an alias in a message that was too large to send is not relied on [MQTT-3.3.2-11]", async () => {
    const client = await broker.connect({
      clientId: "alias-large",
      properties: { topicAliasMaximum: 1, maximumPacketSize: 64 },
    });
    await client.subscribe("alias/large");
    await publisher.publish("alias/large", "x".repeat(100));
    await publisher.publish("alias/large", "y");
    expect(await client.receive("publish")).toMatchObject({
      topic: "alias/large",
      properties: { topicAlias: 1 },
    });
  });
});
