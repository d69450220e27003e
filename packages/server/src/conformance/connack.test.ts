import { type BrokerFixture, FakeClock, framed, framesOf, startBroker, textOf } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const SECOND = 1_000;

const clock = new FakeClock({ soon: "immediate" });
let broker: BrokerFixture;
beforeAll(async () => {
  broker = await startBroker({ clock });
});
afterAll(() => broker.close());

describe("3.2 CONNACK is the first packet, once", () => {
  test("it comes before the messages of a resumed session [MQTT-3.2.0-1]", async () => {
    const properties = { sessionExpiryInterval: 60 };
    const first = await broker.connect({ clientId: "first-packet", properties });
    await first.subscribe({ topicFilter: "first-packet", qos: 1 });
    await first.disconnect();
    const publisher = await broker.connect();
    for (let i = 0; i < 10; i++) await publisher.publish("first-packet", "x", { qos: 1 });

    const back = await broker.connect({ clientId: "first-packet", cleanStart: false });
    await back.receiveAll("publish", 10);
    await back.expectSilence();
    const types = framesOf(back.chunks).map((frame) => frame[0]);
    expect(types.indexOf("2")).toBe(0);
    expect(types.lastIndexOf("2")).toBe(0); // [MQTT-3.2.0-2]
  });

  test("a message of its own CONNECT's moment comes after it [MQTT-3.2.0-1]", async () => {
    const properties = { sessionExpiryInterval: 60 };
    const first = await broker.connect({ clientId: "racing", properties });
    await first.subscribe({ topicFilter: "racing", qos: 1 });
    const publisher = await broker.connect();
    const newer = await broker.open({ clientId: "racing", cleanStart: false });
    publisher.send(publisher.publishPacket("racing", "x", { qos: 1 }));
    newer.send(newer.connectPacket());
    publisher.send(publisher.publishPacket("racing", "y", { qos: 1 }));
    await newer.receive("connack");
    const got = await newer.receiveAll("publish", 2);
    expect(got.map((message) => textOf(message)).toSorted()).toEqual(["x", "y"]);
  });

  test.each([
    ["Session Present 0", true, "00"],
    ["Session Present 1", false, "01"],
  ])(
    "its flags are %s and seven times 0 [MQTT-3.2.2-1] [MQTT-3.2.2-2] [MQTT-3.2.2-3]",
    async (_, cleanStart, flags) => {
      const clientId = "flag-bits";
      const properties = { sessionExpiryInterval: 60 };
      await (await broker.connect({ clientId, properties })).disconnect();
      const client = await broker.connect({ clientId, cleanStart });
      expect(framesOf(client.chunks)[0]?.slice(4, 6)).toBe(flags);
    },
  );

  test("a refusal has Session Present 0, also where a session waits, and then the connection ends [MQTT-3.2.2-6] [MQTT-3.2.2-7]", async () => {
    const clientId = "has-session";
    await (await broker.connect({ clientId, properties: { sessionExpiryInterval: 60 } })).disconnect();
    const refused = await broker.open({
      clientId,
      cleanStart: false,
      properties: { authenticationMethod: "none of ours" },
    });
    expect(await refused.connect()).toMatchObject({ sessionPresent: false, reasonCode: 0x8c });
    await refused.closed;
    const back = await broker.connect({ clientId, cleanStart: false });
    expect(back.connack?.sessionPresent).toBe(true); // the refusal has left it alone
  });
});

describe("3.2.2.3 what the broker says of itself", () => {
  test("QoS 2, retained messages, wildcards, identifiers and shares are there, so that nothing is said of them [MQTT-3.2.2-9]", async () => {
    const { connack } = await broker.connect({ clientId: "plain" });
    const { maximumQos, retainAvailable, ...rest } = connack?.properties ?? {};
    expect([maximumQos, retainAvailable]).toEqual([undefined, undefined]);
    expect(rest).toEqual({
      receiveMaximum: 1_024,
      maximumPacketSize: 1_048_576,
      topicAliasMaximum: 64,
      serverKeepAlive: 600,
    });
  });

  test("subscriptions are granted the QoS they ask for [MQTT-3.2.2-10]", async () => {
    const client = await broker.connect();
    const filters = [0, 1, 2].map((qos) => ({ topicFilter: `granted/${qos}`, qos: qos as 0 | 1 | 2 }));
    expect((await client.subscribe(filters)).reasonCodes).toEqual([0, 1, 2]);
  });

  test.each([0, 1, 2] as const)(
    "a will at QoS %i, retained, is accepted [MQTT-3.2.2-12] [MQTT-3.2.2-13]",
    async (qos) => {
      const will = { topic: "will", payload: new Uint8Array(0), qos, retain: true, properties: {} };
      const client = await broker.connect({ will });
      expect(client.connack?.reasonCode).toBe(0);
      await client.disconnect();
    },
  );

  test("CONNACK of 3.1.1 has two bytes", async () => {
    const client = await broker.connect({ version: 4, clientId: "two" });
    expect(framesOf(client.chunks)).toEqual(["20020000"]);
  });

  test("Response Information comes to those who ask, and names topics that they may subscribe to [MQTT-3.1.2-28]", async () => {
    const asked = await broker.connect({ properties: { requestResponseInformation: true } });
    const prefix = asked.connack?.properties?.responseInformation ?? "";
    expect(prefix).toMatch(/^[^#+]+\/$/);
    expect((await asked.subscribe(`${prefix}1`)).reasonCodes).toEqual([0]);
    const key = await broker.token({ acl: [{ actions: ["publish", "subscribe"], topic: "u/7/#" }] });
    const bounded = await broker.connect({ password: key, properties: { requestResponseInformation: true } });
    expect(bounded.connack?.properties?.responseInformation).toBe("u/7/");
  });

  test("it names no topic that the client's id would make impossible, nor one that is denied [MQTT-3.1.2-28]", async () => {
    const properties = { requestResponseInformation: true };
    const odd = await broker.connect({ clientId: "a+b/#", properties });
    const prefix = odd.connack?.properties?.responseInformation ?? "";
    expect((await odd.publish(`${prefix}1`, "x", { qos: 1 }))?.reasonCode).toBe(0);

    const actions = ["publish", "subscribe"];
    const denied = { effect: "deny", actions, topic: "response/#" };
    const password = await broker.token({ acl: [{ actions, topic: "#" }, denied] });
    const bounded = await broker.connect({ password, properties });
    expect(bounded.connack?.properties?.responseInformation).toBeUndefined();
  });

  test.each([[{ requestResponseInformation: false }], [{}]])(
    "%j gets none [MQTT-3.1.2-28]",
    async (properties) => {
      const client = await broker.connect({ properties });
      expect(client.connack?.properties?.responseInformation).toBeUndefined();
    },
  );

  test("a CONNACK that cannot be as small as the client's Maximum Packet Size ends the connection [MQTT-3.1.2-24]", async () => {
    const client = await broker.open({ properties: { maximumPacketSize: 12 } });
    client.send(client.connectPacket());
    await client.closed;
    expect(client.chunks).toEqual([]);
  });
});

describe("3.1.2.10 keep alive", () => {
  test("within one and a half times the interval nothing happens, then 0x8D and the close [MQTT-3.1.2-22] [MQTT-3.2.2-22]", async () => {
    const client = await broker.connect({ keepAlive: 10 });
    expect(client.connack?.properties?.serverKeepAlive).toBeUndefined();
    await client.subscribe("alive");
    const publisher = await broker.connect();
    clock.advance(14.5 * SECOND);
    await publisher.publish("alive", "still there"); // what the broker sends counts for nothing
    expect(textOf(await client.receive("publish"))).toBe("still there");
    clock.advance(1 * SECOND);
    expect((await client.closed).disconnect?.reasonCode).toBe(0x8d);
  });

  test("any packet begins the interval anew [MQTT-3.1.2-22]", async () => {
    const client = await broker.connect({ keepAlive: 10 });
    for (let i = 0; i < 3; i++) {
      clock.advance(14 * SECOND);
      await client.expectSilence();
      clock.advance(14 * SECOND);
      await client.publish("alive/again", "x", { qos: 1 });
    }
    clock.advance(15.5 * SECOND);
    expect((await client.closed).disconnect?.reasonCode).toBe(0x8d);
  });

  test.each([
    ["3.1.1", 4],
    ["3.1", 3],
  ] as const)("a client of %s is closed without a word [MQTT-3.1.1 3.1.2-24]", async (_, version) => {
    const client = await broker.connect({ version, clientId: `alive${version}`, keepAlive: 10 });
    clock.advance(14.5 * SECOND);
    await client.expectSilence();
    clock.advance(15.5 * SECOND);
    await client.closed;
    expect(framesOf(client.chunks)).toEqual(["20020000", "d000"]); // CONNACK, PINGRESP
  });

  test("keep alive 0 of 3.1.1 allows any silence", async () => {
    const client = await broker.connect({ version: 4, keepAlive: 0 });
    clock.advance(3_600 * SECOND);
    await client.expectSilence();
  });

  test.each([
    ["above the broker's bound", 3_600],
    ["of 0", 0],
  ])("a keep alive %s is answered with Server Keep Alive, which then counts", async (_, keepAlive) => {
    const client = await broker.connect({ keepAlive });
    expect(client.connack?.properties?.serverKeepAlive).toBe(600);
    clock.advance(890 * SECOND);
    await client.expectSilence();
    clock.advance(901 * SECOND);
    expect((await client.closed).disconnect?.reasonCode).toBe(0x8d);
  });

  test("a connection without a CONNECT is closed after 5 s", async () => {
    const client = await broker.open();
    clock.advance(6 * SECOND);
    await client.closed;
    expect(client.chunks).toEqual([]);
  });

  test("half a CONNECT is no CONNECT", async () => {
    const client = await broker.open();
    client.send(framed(0x10, `"MQTT" 05 02 0000 00 "c"`).subarray(0, 8));
    await (await broker.connect()).expectSilence(); // its bytes are there by now
    clock.advance(6 * SECOND);
    await client.closed;
    expect(client.chunks).toEqual([]);
  });
});

describe("3.2.2.3.6 and 3.1.2.11.4 Maximum Packet Size", () => {
  let small: BrokerFixture;
  beforeAll(async () => {
    small = await startBroker({ mqtt: { maxPacketBytes: 1_024 } });
  });
  afterAll(() => small.close());

  test("the broker takes packets of its maximum, and refuses a byte more with 0x95 [MQTT-3.2.2-15]", async () => {
    const client = await small.connect();
    expect(client.connack?.properties?.maximumPacketSize).toBe(1_024);
    await client.subscribe("size");
    // header 3, topic 6, no properties 1
    client.send(framed(0x30, `"size" 00 ${"78".repeat(1_014)}`));
    expect((await client.receive("publish")).payload).toHaveLength(1_014);
    client.send(framed(0x30, `"size" 00 ${"78".repeat(1_015)}`));
    expect((await client.closed).disconnect?.reasonCode).toBe(0x95);
  });

  test("a packet that says it is too large is refused before it has come [MQTT-3.2.2-15]", async () => {
    const client = await small.connect();
    client.send(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0x7f));
    expect((await client.closed).disconnect?.reasonCode).toBe(0x95);
  });

  test("a CONNECT that is too large is refused with 0x95 or cut off", async () => {
    const client = await small.open({ clientId: "x".repeat(1_024) });
    client.send(client.connectPacket());
    await client.closed;
    expect([[], ["2003009500"], ["20020003"]]).toContainEqual(framesOf(client.chunks));
  });

  test("a packet that is too large ends a connection of 3.1.1", async () => {
    const client = await small.connect({ version: 4 });
    client.send(framed(0x30, `"size" ${"78".repeat(1_015)}`));
    client.send(framed(0x30, `"size" ${"78".repeat(1_016)}`));
    await client.closed;
    expect(framesOf(client.chunks)).toEqual(["20020000"]);
  });

  test.each([0, 1, 2] as const)(
    "nothing at QoS %i above the client's maximum is sent to it [MQTT-3.1.2-24]",
    async (qos) => {
      const topic = `fits${qos}`;
      // header 2, topic 7, packet id, no properties 1
      const overhead = 10 + (qos === 0 ? 0 : 2);
      const bounded = await broker.connect({ properties: { maximumPacketSize: 64 } });
      const free = await broker.connect();
      for (const client of [bounded, free]) await client.subscribe({ topicFilter: topic, qos });
      await free.publish(topic, "x".repeat(65 - overhead), { qos });
      await free.publish(topic, "y".repeat(64 - overhead), { qos });

      expect((await bounded.receiveMessage()).payload).toEqual(new Uint8Array(64 - overhead).fill(0x79));
      expect((await free.receiveMessage()).payload).toHaveLength(65 - overhead);
      await bounded.expectSilence();
      for (const frame of framesOf(bounded.chunks)) expect(frame.length / 2).toBeLessThanOrEqual(64);
    },
  );

  test("what was too large counts as sent: it takes no room from what follows, and does not come again [MQTT-3.1.2-25]", async () => {
    const properties = { maximumPacketSize: 64, receiveMaximum: 1, sessionExpiryInterval: 60 };
    const client = await broker.connect({ clientId: "too-large", properties });
    await client.subscribe({ topicFilter: "too/large", qos: 2 });
    const publisher = await broker.connect();
    for (const qos of [1, 2] as const) {
      await publisher.publish("too/large", "x".repeat(100), { qos });
      await publisher.publish("too/large", `after ${qos}`, { qos });
      expect(textOf(await client.receiveMessage())).toBe(`after ${qos}`);
    }
    await client.disconnect();
    await publisher.publish("too/large", "x".repeat(100), { qos: 1 });
    await publisher.publish("too/large", "at last", { qos: 1 });
    const bounded = await broker.connect({ clientId: "too-large", cleanStart: false, properties });
    expect(textOf(await bounded.receiveMessage())).toBe("at last");
    await bounded.disconnect();
    const back = await broker.connect({ clientId: "too-large", cleanStart: false });
    await back.expectSilence();
  });

  test.each([1, 2] as const)(
    "many too large at QoS %i in one go hold up nothing [MQTT-3.1.2-25]",
    async (qos) => {
      const clientId = `too-large-${qos}`;
      const properties = { maximumPacketSize: 64, receiveMaximum: 1, sessionExpiryInterval: 60 };
      const client = await broker.connect({ clientId, properties });
      await client.subscribe({ topicFilter: clientId, qos });
      const publisher = await broker.connect();
      const texts = ["x".repeat(100), "before", "x".repeat(100), "x".repeat(100), "after"];
      publisher.send(
        ...texts.map((text, index) => publisher.publishPacket(clientId, text, { qos, packetId: index + 1 })),
      );
      expect(textOf(await client.receiveMessage())).toBe("before");
      expect(textOf(await client.receiveMessage())).toBe("after");
    },
  );

  test("what was in flight may be too large for the next connection [MQTT-3.1.2-25]", async () => {
    const clientId = "shrunk";
    const wide = await broker.connect({ clientId, properties: { sessionExpiryInterval: 60 } });
    await wide.subscribe({ topicFilter: clientId, qos: 2 });
    const publisher = await broker.connect();
    await publisher.publish(clientId, "x".repeat(100), { qos: 1 });
    await publisher.publish(clientId, "x".repeat(100), { qos: 2 });
    await publisher.publish(clientId, "small", { qos: 1 });
    await wide.receiveAll("publish", 3);
    await wide.cut();
    const properties = { maximumPacketSize: 64, receiveMaximum: 1 };
    const narrow = await broker.connect({ clientId, cleanStart: false, properties });
    expect(textOf(await narrow.receiveMessage())).toBe("small");
    await publisher.publish(clientId, "next", { qos: 1 });
    expect(textOf(await narrow.receiveMessage())).toBe("next");
  });

  test("a retained message that is too large is not sent either [MQTT-3.1.2-24]", async () => {
    const publisher = await broker.connect();
    await publisher.publish("large/kept", "x".repeat(100), { qos: 1, retain: true });
    await publisher.publish("large/small", "y", { qos: 1, retain: true });
    const client = await broker.connect({ properties: { maximumPacketSize: 64 } });
    await client.subscribe({ topicFilter: "large/+", qos: 1 });
    expect(textOf(await client.receiveMessage())).toBe("y");
    await client.expectSilence();
  });

  test("an alias may make the next message fit [MQTT-3.1.2-24]", async () => {
    const topic = "long/".repeat(6);
    const client = await broker.connect({
      clientId: "aliased",
      properties: { maximumPacketSize: 48, topicAliasMaximum: 1 },
    });
    await client.subscribe(topic);
    const publisher = await broker.connect();
    await publisher.publish(topic, "1");
    await publisher.publish(topic, "x".repeat(30));
    await client.receive("publish");
    expect(await client.receive("publish")).toMatchObject({ topic: "", properties: { topicAlias: 1 } });
  });

  test("the reason string goes first where DISCONNECT would be too large [MQTT-3.1.2-24]", async () => {
    const client = await broker.connect({ clientId: "brief-end", properties: { maximumPacketSize: 22 } });
    client.send(client.connectPacket()); // a protocol error with words of its own
    expect((await client.closed).disconnect).toEqual({ type: "disconnect", reasonCode: 0x82 });
  });
});

describe("3.1.2.11.7 Request Problem Information", () => {
  let key: string;
  beforeAll(async () => {
    const acl = [
      { actions: ["publish", "subscribe"], topic: "problem/mine/#" },
      { actions: ["publish"], topic: "problem/low", maxQos: 0 },
    ];
    key = await broker.token({ acl });
  });

  test("1: a refusal is explained, and a narrowed subscription told [MQTT-3.1.2-29]", async () => {
    const client = await broker.connect({ password: key });
    const puback = await client.publish("problem/low", "x", { qos: 1 });
    expect(puback).toMatchObject({
      reasonCode: 0x87,
      properties: { reasonString: expect.any(String) as string },
    });
    const suback = await client.subscribe("problem/#");
    expect(suback.properties?.userProperties).toEqual([["effective-filter", "problem/mine/#"]]);
  });

  test("0: PUBACK, PUBREC and SUBACK have neither reason string nor user properties [MQTT-3.1.2-29]", async () => {
    const client = await broker.connect({ password: key, properties: { requestProblemInformation: false } });
    for (const qos of [1, 2] as const) {
      const answer = await client.publish("problem/low", "x", { qos });
      expect(answer).toMatchObject({ reasonCode: 0x87 });
      expect(answer?.properties).toBeUndefined();
    }
    const suback = await client.subscribe("problem/#");
    expect(suback.reasonCodes).toEqual([0]);
    expect(suback.properties).toBeUndefined();
  });

  test("0: user properties of messages still come [MQTT-3.1.2-29]", async () => {
    const client = await broker.connect({ properties: { requestProblemInformation: false } });
    await client.subscribe("problem/message");
    const properties = { userProperties: [["a", "1"]] } as const;
    await client.publish("problem/message", "x", { properties });
    expect((await client.receive("publish")).properties).toEqual(properties);
  });
});
