import {
  type BrokerFixture,
  type ClientOptions,
  framed,
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

function persistent(version: 4 | 5, clientId: string, receiveMaximum?: number): ClientOptions {
  const five = { sessionExpiryInterval: 60, ...(receiveMaximum !== undefined && { receiveMaximum }) };
  return { version, clientId, cleanStart: false, properties: version === 5 ? five : {} };
}

async function member(filter: string, qos: 0 | 1 | 2, options: ClientOptions = {}): Promise<MqttTestClient> {
  const client = await broker.connect(options);
  await client.subscribe({ topicFilter: filter, qos });
  return client;
}

async function publishAll(topic: string, qos: 0 | 1 | 2, ...payloads: readonly string[]): Promise<void> {
  const publisher = await broker.connect();
  for (const payload of payloads) await publisher.publish(topic, payload, { qos });
  await publisher.disconnect();
}

/** What has come until PINGRESP. */
async function received(client: MqttTestClient): Promise<string[]> {
  client.send({ type: "pingreq" });
  const texts: string[] = [];
  for (let packet = await client.receive(); packet.type !== "pingresp"; packet = await client.receive())
    if (packet.type === "publish") texts.push(textOf(packet));
  return texts;
}

describe("4.8.2 the filter", () => {
  test.each([
    "$share//a",
    "$share/",
    "$share/g",
    "$share/g/",
    "$share/g+/a",
    "$share/g#/a",
    "$share/+/a",
    "$share/#",
  ])("%s is no shared subscription [MQTT-4.8.2-1] [MQTT-4.8.2-2]", async (filter) => {
    for (const version of [5, 4] as const) {
      const client = await broker.connect({ version });
      client.send(framed(0x82, version === 5 ? `0001 00 "${filter}" 00` : `0001 "${filter}" 00`));
      const answer = await client.receive().catch(() => ({ type: "closed" }) as const);
      if (answer.type === "suback") expect(answer.reasonCodes[0]).toBeGreaterThanOrEqual(0x80);
      else expect(answer.type).toBe(version === 5 ? "disconnect" : "closed");
    }
  });

  test("$share is not a topic that one can publish to or hear by # [MQTT-4.8.2-1]", async () => {
    const client = await broker.connect();
    await client.subscribe("#");
    expect(await client.publish("$share/g/topic", "", { qos: 1 })).toMatchObject({ reasonCode: 0x87 });
    await client.expectSilence();
  });
});

describe.each([5, 4] as const)("4.8.2 at MQTT level %i", (version) => {
  test.each([0, 1, 2] as const)("QoS %i goes to one member each, in turn", async (qos) => {
    const topic = `turn/${version}/${qos}`;
    const filter = `$share/g/${topic}`;
    const members = [];
    for (let index = 0; index < 3; index += 1) members.push(await member(filter, qos, { version }));
    await publishAll(topic, qos, "1", "2", "3", "4", "5", "6");
    const shares = [];
    for (const client of members) shares.push(await received(client));
    expect(shares).toEqual([
      ["1", "4"],
      ["2", "5"],
      ["3", "6"],
    ]);
  });

  test("each group has a copy of its own, and who is subscribed besides has one too", async () => {
    const topic = `groups/${version}`;
    const a = await member(`$share/a/${topic}`, 1, { version });
    const b = await member(`$share/b/${topic}`, 1, { version });
    const plain = await member(topic, 1, { version });
    const both = await member(`$share/c/${topic}`, 1, { version });
    await both.subscribe({ topicFilter: topic, qos: 1 });
    await publishAll(topic, 1, "x");
    for (const client of [a, b, plain]) expect(await received(client)).toEqual(["x"]);
    expect(await received(both)).toEqual(["x", "x"]);
  });

  test("delivery keeps to the granted QoS of the member that gets it [MQTT-4.8.2-3]", async () => {
    const topic = `granted/${version}`;
    const filter = `$share/g/${topic}`;
    const members = [];
    for (const qos of [0, 1, 2] as const) members.push(await member(filter, qos, { version }));
    await publishAll(topic, 2, "1", "2", "3");
    const qos = [];
    for (const client of members) qos.push((await client.receiveMessage()).qos);
    expect(qos).toEqual([0, 1, 2]);
    await publishAll(topic, 0, "4", "5", "6");
    for (const client of members) expect((await client.receive("publish")).qos).toBe(0);
  });

  test("a member that leaves, by UNSUBSCRIBE or by its end, gets nothing more, and the others everything", async () => {
    const topic = `left/${version}`;
    const filter = `$share/g/${topic}`;
    const stays = await member(filter, 1, { version });
    const leaves = await member(filter, 1, { version });
    const ends = await member(filter, 1, { version });
    await leaves.unsubscribe(filter);
    await ends.disconnect();
    await publishAll(topic, 1, "1", "2", "3");
    expect(await received(stays)).toEqual(["1", "2", "3"]);
    expect(await received(leaves)).toEqual([]);
  });

  test("retained messages are not sent to it; later ones have RETAIN 0", async () => {
    const topic = `retained/${version}`;
    const publisher = await broker.connect();
    await publisher.publish(topic, "kept", { qos: 1, retain: true });
    const client = await member(`$share/g/${topic}`, 1, { version });
    await client.expectSilence();
    await publisher.publish(topic, "kept too", { qos: 1, retain: true });
    expect((await client.receiveMessage()).retain).toBe(false);
  });

  test.each([1, 2] as const)(
    "with a persistent member, QoS %i waits in the group while nobody is connected, in order",
    async (qos) => {
      const topic = `waits/${version}/${qos}`;
      const filter = `$share/g/${topic}`;
      const options = persistent(version, topic);
      await (await member(filter, qos, options)).cut();
      await publishAll(topic, qos, "1", "2", "3");
      const back = await broker.connect(options);
      for (const text of ["1", "2", "3"]) expect(textOf(await back.receiveMessage())).toBe(text);
      await back.expectSilence();
    },
  );

  test("what waits goes to whichever member comes first, once", async () => {
    const topic = `first/${version}`;
    const filter = `$share/g/${topic}`;
    await (await member(filter, 1, persistent(version, `${topic} a`))).cut();
    await publishAll(topic, 1, "1", "2");
    const other = await member(filter, 1, persistent(version, `${topic} b`));
    expect(textOf(await other.receiveMessage())).toBe("1");
    expect(textOf(await other.receiveMessage())).toBe("2");
    const back = await broker.connect(persistent(version, `${topic} a`));
    await back.expectSilence();
  });

  test("QoS 0 does not wait for anybody", async () => {
    const topic = `zero/${version}`;
    const options = persistent(version, topic);
    await (await member(`$share/g/${topic}`, 2, options)).cut();
    await publishAll(topic, 0, "lost");
    await (await broker.connect(options)).expectSilence();
  });

  describe.each([
    [
      "sessions that end with their connections",
      (clientId: string): ClientOptions => ({ version, clientId }),
    ],
    ["persistent sessions", (clientId: string): ClientOptions => persistent(version, clientId)],
  ])("among %s", (name, optionsOf) => {
    test("an unacknowledged QoS 1 message of a lost connection goes to another member", async () => {
      const topic = `back/${version}/${name}`;
      const filter = `$share/g/${topic}`;
      const lost = await member(filter, 1, optionsOf(`${topic} a`));
      const other = await member(filter, 1, optionsOf(`${topic} b`));
      await publishAll(topic, 1, "1", "2");
      expect(textOf(await lost.receive("publish"))).toBe("1");
      expect(textOf(await other.receiveMessage())).toBe("2");
      await lost.cut();
      expect(textOf(await other.receiveMessage())).toBe("1");
      await other.expectSilence();
    });

    test("a QoS 2 message that was sent is given to no other member, also when its session ends [MQTT-4.8.2-4] [MQTT-4.8.2-5]", async () => {
      const topic = `begun/${version}/${name}`;
      const filter = `$share/g/${topic}`;
      const begun = await member(filter, 2, optionsOf(`${topic} a`));
      const other = await member(filter, 2, optionsOf(`${topic} b`));
      await publishAll(topic, 2, "1", "2");
      await begun.receive("publish");
      expect(textOf(await other.receiveMessage())).toBe("2");
      await begun.cut();
      await other.expectSilence();
      const clean = await broker.connect({ ...optionsOf(`${topic} a`), cleanStart: true });
      await clean.expectSilence();
      await other.expectSilence();
    });
  });

  test("a QoS 2 delivery begun with a persistent member is finished with it after its reconnect [MQTT-4.8.2-4]", async () => {
    const topic = `finished/${version}`;
    const filter = `$share/g/${topic}`;
    const options = persistent(version, `${topic} a`);
    const begun = await member(filter, 2, options);
    const other = await member(filter, 2, { version });
    await publishAll(topic, 2, "1");
    const { packetId } = await begun.receive("publish");
    await begun.cut();
    const back = await broker.connect(options);
    const again = await back.receive("publish");
    expect(again).toMatchObject({ packetId, dup: true, qos: 2 });
    await back.acknowledge(again);
    await back.expectSilence();
    await other.expectSilence();
  });
});

describe("4.8.2 members that cannot take more", () => {
  test.each([1, 2] as const)(
    "are passed over while their Receive Maximum is exhausted, at QoS %i",
    async (qos) => {
      const topic = `full/${qos}`;
      const filter = `$share/g/${topic}`;
      const full = await member(filter, qos, { properties: { receiveMaximum: 1 } });
      const roomy = await member(filter, qos);
      await publishAll(topic, qos, "1", "2", "3", "4", "5");
      expect(await received(full)).toEqual(["1"]);
      expect(await received(roomy)).toEqual(["2", "3", "4", "5"]);
    },
  );

  test("among persistent members what nobody has room for waits in the group, for whoever has room first", async () => {
    const filter = "$share/g/room";
    const a = await member(filter, 1, persistent(5, "room a", 1));
    const b = await member(filter, 1, persistent(5, "room b", 1));
    await publishAll("room", 1, "1", "2", "3", "4");
    const held = [await a.receive("publish"), await b.receive("publish")];
    expect(held.map((packet) => textOf(packet))).toEqual(["1", "2"]);
    const [, second] = held;
    if (second) await b.acknowledge(second);
    expect(textOf(await b.receiveMessage())).toBe("3");
    expect(textOf(await b.receiveMessage())).toBe("4");
    await a.expectSilence();
  });

  test.each([
    ["PUBACK 0x80", 1, "puback"],
    ["PUBREC 0x80", 2, "pubrec"],
  ] as const)(
    "a message that a member refuses by %s is dropped, not offered to another [MQTT-4.8.2-6]",
    async (topic, qos, type) => {
      for (const expiry of [{}, { sessionExpiryInterval: 60 }]) {
        const filter = `$share/g/${topic}`;
        const refuses = await member(filter, qos, { clientId: `${topic} refuses`, properties: expiry });
        const other = await member(filter, qos, { clientId: `${topic} other`, properties: expiry });
        await publishAll(topic, qos, "1");
        const { packetId } = await refuses.receive("publish");
        refuses.send({ type, packetId, reasonCode: 0x80 });
        await refuses.expectSilence();
        await other.expectSilence();
        await refuses.disconnect({ properties: { sessionExpiryInterval: 0 } });
        await other.expectSilence();
        await other.disconnect({ properties: { sessionExpiryInterval: 0 } });
      }
    },
  );

  test("a group whose last member is gone takes nothing: a later one starts anew", async () => {
    const filter = "$share/g/anew";
    const options = persistent(5, "anew");
    const client = await member(filter, 1, options);
    await client.unsubscribe(filter);
    await publishAll("anew", 1, "unheard");
    await client.subscribe({ topicFilter: filter, qos: 1 });
    await publishAll("anew", 1, "heard");
    expect(textOf(await client.receiveMessage())).toBe("heard");
    await client.expectSilence();
  });

  test("the identifier of the shared subscription stands in what it delivers", async () => {
    const client = await broker.connect();
    await client.subscribe({ topicFilter: "$share/g/ident/+", qos: 1 }, { subscriptionIdentifier: 7 });
    await publishAll("ident/a", 1, "x");
    expect((await client.receiveMessage()).properties?.subscriptionIdentifiers).toEqual([7]);
  });

  test("two hundred messages among members of all kinds arrive once each, also when one is lost on the way", async () => {
    const filter = "$share/mixed/crowd";
    const lost = await member(filter, 1, persistent(5, "crowd a", 5));
    const others = [
      await member(filter, 2, persistent(4, "crowd b")),
      await member(filter, 1, { version: 4 }),
    ];
    const sent = Array.from({ length: 200 }, (_, index) => String(index));
    await publishAll("crowd", 1, ...sent);
    const [first] = await lost.receiveAll("publish", 5);
    if (first) await lost.acknowledge(first);
    await lost.expectSilence();
    await lost.cut();
    const publisher = await broker.connect();
    await publisher.publish("crowd", "last", { qos: 1 });
    const seen = [first ? textOf(first) : ""];
    for (const client of others) seen.push(...(await received(client)));
    expect(seen.toSorted()).toEqual([...sent, "last"].toSorted());
  });
});

describe("4.8.2 and who may read", () => {
  const acl = [{ actions: ["publish", "subscribe"], topic: "data/u1/#" }];

  test("a filter is authorised as what stands behind the group [MQTT-4.8.2-2]", async () => {
    const client = await broker.connect({ password: await broker.token({ acl, subject: "u1" }) });
    const suback = await client.subscribe(["$share/g/data/u2/#", "$share/g/data/u1/a", "$share/g/#"]);
    expect(suback.reasonCodes).toEqual([0x87, 0, 0]);
    expect(suback.properties?.userProperties).toEqual([
      ["requested-filter", "$share/g/#"],
      ["effective-filter", "data/u1/#"],
    ]);
  });

  test("a group belongs to its identity: another user of the same name takes nothing from it", async () => {
    const everything = [{ actions: ["publish", "subscribe"], topic: "#" }];
    const alice = await member("$share/g/own/x", 1, {
      password: await broker.token({ acl: everything, subject: "alice" }),
    });
    const bob = await member("$share/g/own/x", 1, {
      password: await broker.token({ acl: everything, subject: "bob" }),
    });
    await publishAll("own/x", 1, "1", "2");
    expect(await received(alice)).toEqual(["1", "2"]);
    expect(await received(bob)).toEqual(["1", "2"]);
  });

  test("an entry with share opens the group of the whole tenant, within which only those get a message who may read it", async () => {
    const opened = (topic: string): unknown[] => [{ actions: ["subscribe"], topic, share: ["pool"] }];
    const narrow = await member("$share/pool/mesh/#", 1, {
      password: await broker.token({ acl: opened("mesh/a"), subject: "narrow" }),
    });
    const wide = await member("$share/pool/mesh/#", 1, {
      password: await broker.token({ acl: opened("mesh/#"), subject: "wide" }),
    });
    await publishAll("mesh/b", 1, "b1", "b2");
    await publishAll("mesh/a", 1, "a1", "a2");
    const shares = [await received(narrow), await received(wide)];
    expect(shares[0]).toHaveLength(1);
    expect(shares[1]?.slice(0, 2)).toEqual(["b1", "b2"]);
    expect(shares.flat().toSorted()).toEqual(["a1", "a2", "b1", "b2"]);
  });

  test("what none of the members may read is not kept for them", async () => {
    const options = { ...persistent(5, "reader"), password: await broker.token({ acl, subject: "reader" }) };
    await (await member("$share/g/#", 1, options)).cut();
    await publishAll("data/u2/x", 1, "not theirs");
    await publishAll("data/u1/x", 1, "theirs");
    const back = await broker.connect(options);
    expect(textOf(await back.receiveMessage())).toBe("theirs");
    await back.expectSilence();
  });
});
