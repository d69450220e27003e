import type { PublishPacket } from "@weir/protocol";
import { type BrokerFixture, framed, framesOf, packetBytes, startBroker, textOf } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;
const TOPIC_ALIAS_INVALID = 0x94;

let broker: BrokerFixture;
beforeAll(async () => {
  broker = await startBroker();
});
afterAll(() => broker.close());

/** The reason code with which the broker ends a connection that sends these bytes. */
async function refusalOf(...bytes: readonly Uint8Array[]): Promise<number | undefined> {
  const client = await broker.connect();
  client.send(...bytes);
  const { disconnect } = await client.closed;
  return disconnect?.reasonCode;
}

type Case = readonly [what: string, bytes: Uint8Array];

function refuses(reasonCode: number, cases: readonly Case[]): void {
  test.each(cases)(`%s ends the connection with 0x${reasonCode.toString(16)}`, async (_, bytes) => {
    expect(await refusalOf(bytes)).toBe(reasonCode);
  });
}

const hexOf = (bytes: string): string => packetBytes(bytes).toString("hex");

describe("1.5.4 UTF-8 strings", () => {
  refuses(MALFORMED, [
    ["a surrogate in a topic name [MQTT-1.5.4-1]", framed(0x30, `0003 eda080 00`)],
    ["an over-long / in a topic name [MQTT-1.5.4-1]", framed(0x30, `0002 c0af 00`)],
    ["half a character in a topic name [MQTT-1.5.4-1]", framed(0x30, `0002 e282 00`)],
    ["a surrogate in a topic filter [MQTT-1.5.4-1]", framed(0x82, `0001 00 0003 edbfbf 00`)],
    ["a surrogate in a filter to unsubscribe [MQTT-1.5.4-1]", framed(0xa2, `0001 00 0003 eda080`)],
    ["a surrogate in a content type [MQTT-1.5.4-1]", framed(0x30, `"a" 06 03 0003 eda080`)],
    ["a surrogate in a response topic [MQTT-1.5.4-1]", framed(0x30, `"a" 06 08 0003 eda080`)],
    ["a surrogate in a reason string [MQTT-1.5.4-1]", framed(0xe0, `00 06 1f 0003 eda080`)],
    ["U+0000 in a topic name [MQTT-1.5.4-2]", framed(0x30, `0003 610062 00`)],
    ["U+0000 in a topic filter [MQTT-1.5.4-2]", framed(0x82, `0001 00 0003 610062 00`)],
    ["U+0000 in a content type [MQTT-1.5.4-2]", framed(0x30, `"a" 06 03 0003 610062`)],
    ["a surrogate in the name of a user property [MQTT-1.5.7-1]", framed(0x30, `"a" 09 26 0003 eda080 "v"`)],
    ["a surrogate in its value [MQTT-1.5.7-1]", framed(0x30, `"a" 09 26 "n" 0003 eda080`)],
    ["U+0000 in the name of a user property [MQTT-1.5.7-1]", framed(0x30, `"a" 07 26 0001 00 "v"`)],
    ["U+0000 in its value [MQTT-1.5.7-1]", framed(0x30, `"a" 07 26 "n" 0001 00`)],
  ]);

  test("EF BB BF stays in topics, filters and properties [MQTT-1.5.4-3]", async () => {
    const client = await broker.connect();
    const plain = framed(0x82, `0001 00 "bom/x" 00`);
    const marked = framed(0x82, `0002 00 0008 efbbbf 626f6d2f78 00`);
    client.send(plain, marked);
    await client.receiveAll("suback", 2);

    client.send(framed(0x30, `0008 efbbbf 626f6d2f78 09 03 0006 efbbbf 626363`));
    const message = await client.receive("publish");

    // One subscription has matched, not both, and nothing was stripped
    await client.expectSilence();
    expect(message.topic).toBe("\u{feff}bom/x");
    expect(message.properties?.contentType).toBe("\u{feff}bcc");
  });

  test("characters of 2, 3 and 4 bytes arrive as they were sent [MQTT-1.5.4-1]", async () => {
    const client = await broker.connect();
    await client.subscribe("größe/日本/🚌");
    await client.publish("größe/日本/🚌", "x", { properties: { userProperties: [["ключ", "𝄞"]] } });
    const { topic, properties } = await client.receive("publish");
    expect({ topic, properties }).toEqual({
      topic: "größe/日本/🚌",
      properties: { userProperties: [["ключ", "𝄞"]] },
    });
  });
});

describe("1.5.5 variable byte integers", () => {
  refuses(MALFORMED, [
    ["a remaining length of 0 in two bytes [MQTT-1.5.5-1]", packetBytes(`c0 8000`)],
    ["a remaining length of five bytes", packetBytes(`30 80808080 01`)],
    ["a property length of 0 in two bytes [MQTT-1.5.5-1]", framed(0x30, `"a" 8000`)],
    ["a subscription identifier of 1 in two bytes [MQTT-1.5.5-1]", framed(0x82, `0001 03 0b 8100 "a" 00`)],
  ]);

  test.each([
    [127, 1],
    [128, 2],
    [16_383, 2],
    [16_384, 3],
  ])("a remaining length of %i is sent in %i bytes [MQTT-1.5.5-1]", async (remaining, count) => {
    const client = await broker.connect();
    await client.subscribe("length");
    const payload = Buffer.alloc(remaining - `xxlength0`.length, "x");
    await client.publish("length", payload);
    const message = await client.receive("publish");
    const frame = framesOf(client.chunks).at(-1) ?? "";
    expect(Buffer.from(message.payload)).toEqual(payload);
    expect(frame.length / 2).toBe(1 + count + remaining);
  });
});

describe("2.1 packets", () => {
  refuses(MALFORMED, [
    ["a PINGREQ with flags 0001 [MQTT-2.1.3-1]", packetBytes(`c1 00`)],
    ["a DISCONNECT with flags 0010 [MQTT-2.1.3-1]", packetBytes(`e2 00`)],
    ["a PUBACK with flags 0010 [MQTT-2.1.3-1]", framed(0x42, `0001`)],
    ["a PUBREC with flags 1000 [MQTT-2.1.3-1]", framed(0x58, `0001`)],
    ["a PUBCOMP with flags 0010 [MQTT-2.1.3-1]", framed(0x72, `0001`)],
  ]);
  refuses(PROTOCOL_ERROR, [
    ["a packet of the reserved type 0 [MQTT-2.1.3-1]", packetBytes(`00 00`)],
    ["a CONNACK from a client", framed(0x20, `00 00 00`)],
  ]);

  test("CONNECT with flags 0001 closes the connection without an answer [MQTT-2.1.3-1]", async () => {
    const client = await broker.open();
    client.send(framed(0x11, `"MQTT" 05 02 0000 00 "c"`));
    await client.closed;
    expect(client.chunks).toEqual([]);
  });

  test("every packet of the broker has the listed flags [MQTT-2.1.3-1]", async () => {
    const client = await broker.connect();
    await client.subscribe({ topicFilter: "flags", qos: 2 });
    await client.publish("flags", "1", { qos: 1 });
    await client.receiveMessage();
    await client.publish("flags", "2", { qos: 2 });
    await client.receiveMessage();
    await client.unsubscribe("flags");
    await client.expectSilence();
    client.send({
      type: "connect",
      protocolVersion: 5,
      cleanStart: true,
      keepAlive: 0,
      clientId: "",
      properties: {},
    });
    await client.closed;

    const firstBytes = framesOf(client.chunks).map((frame) => frame.slice(0, 2));
    const fixed = firstBytes.filter((byte) => !byte.startsWith("3"));
    // CONNACK, SUBACK, PUBACK, PUBREC, PUBCOMP, PUBREL, UNSUBACK, PINGRESP, DISCONNECT
    expect(new Set(fixed)).toEqual(new Set(["20", "90", "40", "50", "70", "62", "b0", "d0", "e0"]));
    expect(firstBytes.filter((byte) => byte.startsWith("3"))).toEqual(["32", "34"]);
  });
});

describe("2.2.1 packet identifiers", () => {
  test("a PUBLISH at QoS 0 has no packet id [MQTT-2.2.1-2]", async () => {
    const client = await broker.connect();
    await client.subscribe("id0");
    client.send(framed(0x30, `"id0" 00 7879`));
    await client.receive("publish");
    // topic, no properties, payload: nothing between
    expect(framesOf(client.chunks).at(-1)).toBe(hexOf(`30 08 "id0" 00 7879`));
  });

  test("the first packet id of a session is 1, and what is unacknowledged keeps its own [MQTT-2.2.1-4]", async () => {
    const client = await broker.connect();
    await client.subscribe({ topicFilter: "ids", qos: 2 });
    for (const qos of [1, 2, 1] as const) await client.publish("ids", "x", { qos });
    const first = await client.receiveAll("publish", 3);
    expect(first.map(({ packetId }) => packetId)).toEqual([1, 2, 3]);

    await client.acknowledge(first[2] as PublishPacket);
    await client.publish("ids", "x", { qos: 1 });
    const next = await client.receive("publish");
    expect([0, 1, 2]).not.toContain(next.packetId);
  });

  test("after 65,535 packet ids come those that are free, never 0 [MQTT-2.2.1-4]", async () => {
    const client = await broker.connect();
    await client.subscribe({ topicFilter: "wrap", qos: 1 });
    const publisher = await broker.connect();
    const batch = 1_000;
    const used: number[] = [];
    publisher.send(...publishes("wrap", 1));
    const held = await client.receive("publish");
    for (let sent = 0; sent < 66_000; sent += batch) {
      publisher.send(...publishes("wrap", batch));
      const messages = await client.receiveAll("publish", batch);
      client.send(...messages.map(({ packetId }) => ({ type: "puback", packetId, reasonCode: 0 }) as const));
      await publisher.receiveAll("puback", batch);
      used.push(...messages.map(({ packetId }) => packetId));
    }
    expect(used.at(-1)).toBeLessThan(batch); // it has gone around
    expect(used).not.toContain(0);
    expect(used).not.toContain(held.packetId);
  });

  test("PUBACK, PUBREC and PUBCOMP have the id of the PUBLISH [MQTT-2.2.1-5]", async () => {
    const client = await broker.connect();
    client.send(framed(0x32, `"x" 1234 00`), framed(0x34, `"x" ffff 00`), framed(0x62, `ffff`));
    expect(await client.receive("puback")).toMatchObject({ packetId: 0x1234 });
    expect(await client.receive("pubrec")).toMatchObject({ packetId: 0xffff });
    expect(await client.receive("pubcomp")).toMatchObject({ packetId: 0xffff });
  });

  test("PUBREL has the id of the PUBLISH [MQTT-2.2.1-5]", async () => {
    const client = await broker.connect();
    await client.subscribe({ topicFilter: "rel", qos: 2 });
    await client.publish("rel", "x", { qos: 2 });
    const { packetId } = await client.receive("publish");
    client.send({ type: "pubrec", packetId, reasonCode: 0 });
    expect(await client.receive("pubrel")).toMatchObject({ packetId });
  });

  test("SUBACK and UNSUBACK have the id of the request [MQTT-2.2.1-6]", async () => {
    const client = await broker.connect();
    client.send(framed(0x82, `fffe 00 "x" 00`), framed(0xa2, `0102 00 "x"`));
    expect(await client.receive("suback")).toMatchObject({ packetId: 0xfffe });
    expect(await client.receive("unsuback")).toMatchObject({ packetId: 0x0102 });
  });

  refuses(PROTOCOL_ERROR, [
    ["a PUBLISH with packet id 0", framed(0x32, `"a" 0000 00`)],
    ["a SUBSCRIBE with packet id 0", framed(0x82, `0000 00 "a" 00`)],
    ["an UNSUBSCRIBE with packet id 0", framed(0xa2, `0000 00 "a"`)],
  ]);
});

describe("2.2.2 properties", () => {
  test("no properties are a property length of 0 [MQTT-2.2.2-1]", async () => {
    const client = await broker.connect();
    client.send(
      framed(0x82, `0001 00 "none" 00`),
      framed(0x30, `"none" 00 21`),
      framed(0xa2, `0002 00 "none" "none"`),
    );
    await client.receive("suback");
    expect(textOf(await client.receive("publish"))).toBe("!");
    await client.receive("unsuback");
    expect(framesOf(client.chunks).slice(1)).toEqual([
      hexOf(`90 04 0001 00 00`), // SUBACK: id, no properties, 0x00
      hexOf(`30 08 "none" 00 21`),
      hexOf(`b0 05 0002 00 00 11`), // UNSUBACK: id, no properties, 0x00, 0x11
    ]);
  });

  refuses(MALFORMED, [
    ["a PUBLISH without a property length [MQTT-2.2.2-1]", framed(0x30, `"a"`)],
    ["a SUBSCRIBE without a property length [MQTT-2.2.2-1]", framed(0x82, `0001 "a" 00`)],
    ["a property length beyond the packet", framed(0x30, `"a" 05 01 00`)],
    ["a property that nobody knows", framed(0x30, `"a" 02 7f 00`)],
    ["a property of another packet", framed(0x30, `"a" 05 11 00000001`)],
  ]);
  refuses(PROTOCOL_ERROR, [["a property twice", framed(0x30, `"a" 04 01 00 01 00`)]]);
  refuses(TOPIC_ALIAS_INVALID, [["a topic alias of 0", framed(0x30, `"a" 03 23 0000`)]]);
});

describe("MQTT 3.1.1 data", () => {
  const malformed: readonly Case[] = [
    ["a surrogate in a topic name [MQTT-3.1.1 1.5.3-1]", framed(0x30, `0003 eda080`)],
    ["U+0000 in a topic name [MQTT-3.1.1 1.5.3-2]", framed(0x30, `0003 610062`)],
    ["a PUBREL with flags 0000 [MQTT-3.1.1 3.6.1-1]", framed(0x60, `0001`)],
    ["a packet id of 0 [MQTT-3.1.1 2.3.1-1]", framed(0x32, `"a" 0000`)],
  ];
  test.each(malformed)("%s closes the connection without a word", async (_, bytes) => {
    const client = await broker.connect({ version: 4 });
    client.send(bytes);
    expect((await client.closed).disconnect).toBeUndefined();
    expect(framesOf(client.chunks)).toEqual(["20020000"]); // CONNACK only
  });

  test("packets have no properties, and UNSUBACK no codes", async () => {
    const client = await broker.connect({ version: 4 });
    client.send(
      framed(0x82, `0001 "v4" 01`),
      framed(0x32, `"v4" 0007 21`),
      framed(0x34, `"none" 0008 21`),
      framed(0x62, `0008`),
      framed(0xa2, `0002 "v4"`),
    );
    await client.receive("suback");
    await client.receive("puback");
    await client.receive("publish");
    await client.receive("pubrec");
    await client.receive("pubcomp");
    await client.receive("unsuback");
    expect(framesOf(client.chunks)).toEqual([
      hexOf(`20 02 00 00`), // CONNACK
      hexOf(`90 03 0001 01`), // SUBACK
      hexOf(`40 02 0007`), // PUBACK
      hexOf(`32 07 "v4" 0001 21`), // PUBLISH
      hexOf(`50 02 0008`), // PUBREC
      hexOf(`70 02 0008`), // PUBCOMP
      hexOf(`b0 02 0002`), // UNSUBACK
    ]);
  });
});

function publishes(topic: string, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) =>
    framed(0x32, `"${topic}" ${(index + 1).toString(16).padStart(4, "0")} 00`),
  );
}
