import {
  type BrokerFixture,
  type ClientOptions,
  FakeClock,
  framesOf,
  startBroker,
  textOf,
} from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const SECOND = 1_000;
const clock = new FakeClock({ soon: "immediate" });
let broker: BrokerFixture;

beforeAll(async () => {
  broker = await startBroker({ clock });
});
afterAll(() => broker.close());

/** A client whose session outlives its connection, at either version. */
function persistent(version: 4 | 5, clientId: string): ClientOptions {
  const properties = version === 5 ? { sessionExpiryInterval: 600 } : {};
  return { version, clientId, cleanStart: false, properties };
}

/** One that does not. */
function brief(version: 4 | 5, clientId: string): ClientOptions {
  return { version, clientId };
}

async function publishFrom(
  topic: string,
  ...messages: readonly (readonly [string, 0 | 1 | 2])[]
): Promise<void> {
  const publisher = await broker.connect();
  for (const [payload, qos] of messages) await publisher.publish(topic, payload, { qos });
  await publisher.disconnect();
}

describe.each([5, 4] as const)("QoS towards the client, at MQTT level %i", (version) => {
  test("QoS 0 has neither packet id nor DUP, and is not kept [MQTT-4.3.1-1] [MQTT-2.2.1-2]", async () => {
    const topic = `q0/${version}`;
    const client = await broker.connect(persistent(version, topic));
    await client.subscribe({ topicFilter: topic, qos: 2 });
    await publishFrom(topic, ["x", 0]);
    await client.receive("publish");
    expect(framesOf(client.chunks).at(-1)).toMatch(version === 5 ? /^3008.*0078$/ : /^3007.*78$/);
    await client.cut();
    await publishFrom(topic, ["missed", 0]);
    await (await broker.connect(persistent(version, topic))).expectSilence();
  });

  test.each([
    ["a session that ends with its connection", brief],
    ["a persistent session", persistent],
  ])(
    "packet ids are 1, 2, 3 in %s, and DUP is 0 [MQTT-4.3.2-1] [MQTT-4.3.2-2] [MQTT-4.3.3-1] [MQTT-4.3.3-2] [MQTT-2.2.1-4]",
    async (name, options) => {
      const topic = `fresh/${version}/${name}`;
      const client = await broker.connect(options(version, topic));
      await client.subscribe({ topicFilter: topic, qos: 2 });
      await publishFrom(topic, ["a", 1], ["b", 2], ["c", 1]);
      const packets = await client.receiveAll("publish", 3);
      expect(packets.map(({ packetId, dup, qos }) => [packetId, dup, qos])).toEqual([
        [1, false, 1],
        [2, false, 2],
        [3, false, 1],
      ]);
    },
  );

  test("an id in flight is given to no other message until it is free [MQTT-2.2.1-4]", async () => {
    const topic = `unused/${version}`;
    const client = await broker.connect(brief(version, topic));
    await client.subscribe({ topicFilter: topic, qos: 1 });
    await publishFrom(topic, ["kept in flight", 1]);
    const { packetId: kept } = await client.receive("publish");
    const publisher = await broker.connect();
    const seen = new Set<number>();
    for (let round = 0; round < 50; round += 1) {
      await publisher.publish(topic, "x", { qos: 1 });
      seen.add((await client.receiveMessage()).packetId);
    }
    expect(seen).not.toContain(kept);
    expect(seen).not.toContain(0);
  });

  test("QoS 1 is unacknowledged until PUBACK: it comes again, with DUP and the same id, and then no more [MQTT-4.3.2-3] [MQTT-4.4.0-1] [MQTT-3.3.1-1]", async () => {
    const topic = `again/${version}`;
    const options = persistent(version, topic);
    const client = await broker.connect(options);
    await client.subscribe({ topicFilter: topic, qos: 1 });
    await publishFrom(topic, ["a", 1], ["b", 1]);
    const [a, b] = await client.receiveAll("publish", 2);
    if (a) await client.acknowledge(a);
    await client.expectSilence();
    await client.cut();

    const back = await broker.connect(options);
    expect(back.connack?.sessionPresent).toBe(true);
    const repeated = await back.receive("publish");
    expect(repeated).toMatchObject({ ...b, dup: true });
    await back.acknowledge(repeated);
    await back.expectSilence();
    await back.cut();
    await (await broker.connect(options)).expectSilence();
  });

  test("QoS 2 is unacknowledged until PUBREC, then PUBREL until PUBCOMP; PUBLISH does not come again after PUBREL [MQTT-4.3.3-3] [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT-4.3.3-6] [MQTT-2.2.1-5]", async () => {
    const topic = `twice/${version}`;
    const options = persistent(version, topic);
    let client = await broker.connect(options);
    await client.subscribe({ topicFilter: topic, qos: 2 });
    await publishFrom(topic, ["x", 2]);
    const first = await client.receive("publish");
    await client.cut();

    client = await broker.connect(options);
    expect(await client.receive("publish")).toMatchObject({ ...first, dup: true });
    client.send({ type: "pubrec", packetId: first.packetId, reasonCode: 0 });
    expect(await client.receive("pubrel")).toMatchObject({ packetId: first.packetId, reasonCode: 0 });
    await client.cut();

    client = await broker.connect(options);
    expect(await client.receive("pubrel")).toMatchObject({ packetId: first.packetId, reasonCode: 0 });
    await client.cut();
    client = await broker.connect(options);
    expect(await client.receive("pubrel")).toMatchObject({ packetId: first.packetId });
    client.send({ type: "pubcomp", packetId: first.packetId, reasonCode: 0 });
    await client.expectSilence();
    await client.cut();
    await (await broker.connect(options)).expectSilence();
  });

  test("PUBREC again gets PUBREL again [MQTT-4.3.3-4]", async () => {
    const topic = `pubrec/${version}`;
    const client = await broker.connect(brief(version, topic));
    await client.subscribe({ topicFilter: topic, qos: 2 });
    await publishFrom(topic, ["x", 2]);
    const { packetId } = await client.receive("publish");
    for (let round = 0; round < 3; round += 1) {
      client.send({ type: "pubrec", packetId, reasonCode: 0 });
      expect(await client.receive("pubrel")).toMatchObject({ packetId, reasonCode: 0 });
    }
  });

  test("what was in flight comes before what is new, in its first order [MQTT-4.4.0-1] [MQTT-4.6.0-5]", async () => {
    const topic = `first/${version}`;
    const options = persistent(version, topic);
    const client = await broker.connect(options);
    await client.subscribe({ topicFilter: topic, qos: 2 });
    await publishFrom(topic, ["1", 1], ["2", 2], ["3", 1], ["4", 2]);
    const before = await client.receiveAll("publish", 4);
    client.send({ type: "pubrec", packetId: before[1]?.packetId ?? 0, reasonCode: 0 });
    await client.receive("pubrel");
    await client.cut();
    await publishFrom(topic, ["5", 1], ["6", 2]);

    const back = await broker.connect(options);
    const seen: string[] = [];
    while (seen.length < 6) {
      const packet = await back.receive();
      seen.push(packet.type === "publish" ? `${textOf(packet)}${packet.dup ? " again" : ""}` : packet.type);
    }
    expect(seen).toEqual(["1 again", "pubrel", "3 again", "4 again", "5", "6"]);
  });

  test("nothing is sent again to a clean session [MQTT-4.4.0-1]", async () => {
    const topic = `clean/${version}`;
    const options = persistent(version, topic);
    const client = await broker.connect(options);
    await client.subscribe({ topicFilter: topic, qos: 2 });
    await publishFrom(topic, ["1", 1], ["2", 2]);
    await client.receiveAll("publish", 2);
    await client.cut();
    const clean = await broker.connect({ ...options, cleanStart: true });
    await clean.expectSilence();
    await clean.cut();
    await (await broker.connect(options)).expectSilence();
  });

  test("nor is it within a connection, however long the client takes [MQTT-4.4.0-1]", async () => {
    const topic = `slow/${version}`;
    const client = await broker.connect({ ...brief(version, topic) });
    await client.subscribe({ topicFilter: topic, qos: 1 });
    await publishFrom(topic, ["1", 1]);
    await client.receive("publish");
    for (let minute = 0; minute < 5; minute += 1) {
      clock.advance(60 * SECOND);
      await client.expectSilence();
    }
  });
});

describe("refusals of the client", () => {
  test.each([
    ["PUBACK 0x80", 1, "puback", 0x80],
    ["PUBACK 0x97", 1, "puback", 0x97],
    ["PUBREC 0x80", 2, "pubrec", 0x80],
    ["PUBREC 0x99", 2, "pubrec", 0x99],
  ] as const)(
    "%s acknowledges: the message is not sent again, and its id is free [MQTT-4.4.0-2] [MQTT-4.3.3-4]",
    async (topic, qos, type, reasonCode) => {
      const options = {
        ...persistent(5, topic),
        properties: { sessionExpiryInterval: 60, receiveMaximum: 1 },
      };
      const client = await broker.connect(options);
      await client.subscribe({ topicFilter: topic, qos });
      await publishFrom(topic, ["refused", qos], ["next", qos]);
      const { packetId } = await client.receive("publish");
      client.send({ type, packetId, reasonCode });
      expect(textOf(await client.receive("publish"))).toBe("next");
      await client.cut();
      const back = await broker.connect(options);
      expect(textOf(await back.receiveMessage())).toBe("next");
      await back.expectSilence();
    },
  );
});

describe.each([5, 4] as const)("QoS from the client, at MQTT level %i", (version) => {
  test("QoS 1: PUBACK has the id, and the same id after it is a new message, whatever its DUP [MQTT-4.3.2-4] [MQTT-4.3.2-5] [MQTT-2.2.1-5]", async () => {
    const topic = `in1/${version}`;
    const listener = await broker.connect();
    await listener.subscribe({ topicFilter: topic, qos: 1 });
    const client = await broker.connect({ version });
    for (const dup of [false, false, true]) {
      client.send(client.publishPacket(topic, "x", { qos: 1, packetId: 0x1234, dup }));
      expect(await client.receive("puback")).toMatchObject({ packetId: 0x1234 });
      expect((await listener.receiveMessage()).dup).toBe(false); // [MQTT-3.3.1-3]
    }
    await listener.expectSilence();
  });

  test("QoS 2: duplicates before PUBREL get PUBREC again and are delivered once, with and without DUP [MQTT-4.3.3-8] [MQTT-4.3.3-10]", async () => {
    const topic = `in2/${version}`;
    const listener = await broker.connect();
    await listener.subscribe({ topicFilter: topic, qos: 2 });
    const client = await broker.connect({ version });
    for (const dup of [false, true, false]) {
      client.send(client.publishPacket(topic, "x", { qos: 2, packetId: 9, dup }));
      expect(await client.receive("pubrec")).toMatchObject({ packetId: 9 });
    }
    await listener.receiveMessage();
    await listener.expectSilence();
  });

  test("QoS 2: PUBREL is answered by PUBCOMP, after which the id is a new message [MQTT-4.3.3-11] [MQTT-4.3.3-12]", async () => {
    const topic = `in2new/${version}`;
    const listener = await broker.connect();
    await listener.subscribe({ topicFilter: topic, qos: 0 });
    const client = await broker.connect({ version });
    for (const payload of ["first", "second"]) {
      client.send(client.publishPacket(topic, payload, { qos: 2, packetId: 9 }));
      await client.receive("pubrec");
      expect(await client.release(9)).toMatchObject({ packetId: 9, reasonCode: 0 });
      expect(textOf(await listener.receive("publish"))).toBe(payload);
    }
    await listener.expectSilence();
  });

  test.each([
    ["directly", brief],
    ["through the log", persistent],
  ])(
    "QoS 2: the broker knows its id after a reconnect; delivered %s, once [MQTT-4.3.3-10] [MQTT-4.1.0-1]",
    async (name, subscriber) => {
      const topic = `known/${version}/${name}`;
      const listener = await broker.connect(subscriber(5, `listener ${topic}`));
      await listener.subscribe({ topicFilter: topic, qos: 2 });
      const options = persistent(version, topic);
      const client = await broker.connect(options);
      client.send(client.publishPacket(topic, "x", { qos: 2, packetId: 77 }));
      await client.receive("pubrec");
      await client.cut();

      const back = await broker.connect(options);
      back.send(back.publishPacket(topic, "x", { qos: 2, packetId: 77, dup: true }));
      expect(await back.receive("pubrec")).toMatchObject({ packetId: 77 });
      await listener.receiveMessage();
      await listener.expectSilence();
      await back.cut();
      const last = await broker.connect(options);
      expect(await last.release(77)).toMatchObject({ packetId: 77, reasonCode: 0 });
    },
  );

  test("QoS 2: a clean session knows no id of the one before [MQTT-4.1.0-1] [MQTT-3.1.2-4]", async () => {
    const topic = `forgotten/${version}`;
    const listener = await broker.connect();
    await listener.subscribe(topic);
    for (const payload of ["one", "two"]) {
      const client = await broker.connect({ ...persistent(version, topic), cleanStart: true });
      client.send(client.publishPacket(topic, payload, { qos: 2, packetId: 1, dup: true }));
      await client.receive("pubrec");
      expect(textOf(await listener.receive("publish"))).toBe(payload);
      await client.cut();
    }
  });

  test("a packet id is free for both directions at once [MQTT-2.2.1-4]", async () => {
    const topic = `both/${version}`;
    const client = await broker.connect(brief(version, topic));
    await client.subscribe({ topicFilter: topic, qos: 2 });
    client.send(client.publishPacket(topic, "x", { qos: 2, packetId: 1 }));
    const answers = [await client.receive(), await client.receive()].map((packet) => packet.type);
    expect(answers.toSorted()).toEqual(["publish", "pubrec"]);
    client.send(
      { type: "pubrec", packetId: 1, reasonCode: 0 },
      { type: "pubrel", packetId: 1, reasonCode: 0 },
    );
    const later = [await client.receive(), await client.receive()];
    expect(later.map((packet) => packet.type).toSorted()).toEqual(["pubcomp", "pubrel"]);
  });
});

describe("refusals of the broker", () => {
  test("after PUBREC 0x87 the packet id is new: the next PUBLISH under it is another message [MQTT-4.3.3-9]", async () => {
    const acl = [{ actions: ["publish"], topic: "allowed" }];
    const client = await broker.connect({ password: await broker.token({ acl }) });
    const listener = await broker.connect();
    await listener.subscribe(["allowed", "forbidden"]);
    client.send(client.publishPacket("forbidden", "no", { qos: 2, packetId: 3 }));
    expect(await client.receive("pubrec")).toMatchObject({ packetId: 3, reasonCode: 0x87 });
    client.send(client.publishPacket("allowed", "yes", { qos: 2, packetId: 3 }));
    expect(await client.receive("pubrec")).toMatchObject({ packetId: 3, reasonCode: 0 });
    expect(textOf(await listener.receive("publish"))).toBe("yes");
    await listener.expectSilence();
  });

  test("before MQTT 5 a refused QoS 2 PUBLISH has its whole handshake, and is never delivered", async () => {
    const acl = [{ actions: ["publish"], topic: "allowed" }];
    const client = await broker.connect({ version: 4, username: "u", password: await broker.token({ acl }) });
    const listener = await broker.connect();
    await listener.subscribe("forbidden/4");
    for (const dup of [false, true]) {
      client.send(client.publishPacket("forbidden/4", "no", { qos: 2, packetId: 3, dup }));
      await client.receive("pubrec");
    }
    await client.release(3);
    await listener.expectSilence();
  });
});

describe("message expiry and handshakes", () => {
  const expiring = { properties: { messageExpiryInterval: 5 } };

  test("a QoS 2 message that was sent does not expire: PUBLISH comes again [MQTT-4.3.3-7]", async () => {
    const client = await broker.connect(persistent(5, "sent"));
    await client.subscribe({ topicFilter: "sent", qos: 2 });
    const publisher = await broker.connect();
    await publisher.publish("sent", "x", { qos: 2, ...expiring });
    const { packetId } = await client.receive("publish");
    await client.cut();
    clock.advance(60 * SECOND);
    const back = await broker.connect(persistent(5, "sent"));
    expect(await back.receive("publish")).toMatchObject({ packetId, dup: true });
  });

  test("what was not begun expires [MQTT-3.3.2-5]", async () => {
    const client = await broker.connect(persistent(5, "waiting"));
    await client.subscribe({ topicFilter: "waiting", qos: 2 });
    await client.disconnect();
    const publisher = await broker.connect();
    await publisher.publish("waiting", "x", { qos: 2, ...expiring });
    await publisher.publish("waiting", "y", { qos: 2 });
    clock.advance(6 * SECOND);
    const back = await broker.connect(persistent(5, "waiting"));
    expect(textOf(await back.receive("publish"))).toBe("y");
  });

  test("a QoS 2 handshake from the client goes on though its message has expired [MQTT-4.3.3-13]", async () => {
    const publisher = await broker.connect();
    publisher.send(publisher.publishPacket("late", "x", { qos: 2, packetId: 5, ...expiring }));
    await publisher.receive("pubrec");
    clock.advance(60 * SECOND);
    publisher.send(publisher.publishPacket("late", "x", { qos: 2, packetId: 5, dup: true, ...expiring }));
    expect(await publisher.receive("pubrec")).toMatchObject({ packetId: 5, reasonCode: 0 });
    expect(await publisher.release(5)).toMatchObject({ packetId: 5, reasonCode: 0 });
  });
});
