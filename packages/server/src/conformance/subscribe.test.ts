import { type BrokerFixture, framed, framesOf, startBroker, textOf } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/** More levels than the broker takes. */
const tooDeep = "/".repeat(200);

let broker: BrokerFixture;

beforeAll(async () => {
  broker = await startBroker();
});
afterAll(() => broker.close());

async function retain(topic: string, payload: string): Promise<void> {
  const publisher = await broker.connect();
  await publisher.publish(topic, payload, { qos: 1, retain: true });
  await publisher.disconnect();
}

describe("3.8 SUBSCRIBE", () => {
  test.each([
    ["fixed header flags 0000 [MQTT-3.8.1-1]", framed(0x80, `0001 00 "a" 00`), 0x81],
    ["fixed header flags 0011 [MQTT-3.8.1-1]", framed(0x83, `0001 00 "a" 00`), 0x81],
    ["a filter that is not UTF-8 [MQTT-3.8.3-1]", framed(0x82, "0001 00 0002 c328 00"), 0x81],
    ["a filter with a surrogate [MQTT-3.8.3-1]", framed(0x82, "0001 00 0003 eda080 00"), 0x81],
    ["no filter [MQTT-3.8.3-2]", framed(0x82, "0001 00"), 0x82],
    ["No Local on a shared subscription [MQTT-3.8.3-4]", framed(0x82, `0001 00 "$share/g/a" 04`), 0x82],
    ["a reserved option bit [MQTT-3.8.3-5]", framed(0x82, `0001 00 "a" 40`), 0x81],
    ["the other reserved option bit [MQTT-3.8.3-5]", framed(0x82, `0001 00 "a" 80`), 0x81],
    ["a QoS of 3 [MQTT-3.8.3-5]", framed(0x82, `0001 00 "a" 03`), 0x82],
    ["a Retain Handling of 3", framed(0x82, `0001 00 "a" 30`), 0x82],
    ["packet id 0 [MQTT-2.2.1-3]", framed(0x82, `0000 00 "a" 00`), 0x82],
    ["a filter without its options", framed(0x82, `0001 00 "a"`), 0x81],
    ["a subscription identifier of 0", framed(0x82, `0001 02 0b00 "a" 00`), 0x82],
    ["two subscription identifiers", framed(0x82, `0001 04 0b01 0b02 "a" 00`), 0x82],
    ["a # that is not last [MQTT-4.7.1-1]", framed(0x82, `0001 00 "a/#/b" 00`), 0x81],
    ["a property of PUBLISH", framed(0x82, `0001 02 0101 "a" 00`), 0x81],
  ])("%s ends the connection", async (_, bytes, code) => {
    const client = await broker.connect();
    client.send(bytes);
    expect((await client.closed).disconnect?.reasonCode).toBe(code);
  });

  test.each([
    ["fixed header flags 0000", framed(0x80, `0001 "a" 00`)],
    ["no filter", framed(0x82, "0001")],
    ["a filter that is not UTF-8", framed(0x82, "0001 0002 c328 00")],
    ["a QoS of 3", framed(0x82, `0001 "a" 03`)],
    ["the option bits of MQTT 5", framed(0x82, `0001 "a" 04`)],
  ])("%s closes a connection of 3.1.1 without a word [MQTT-3.8.3-4]", async (_, bytes) => {
    const client = await broker.connect({ version: 4 });
    client.send(bytes);
    await client.closed;
    expect(framesOf(client.chunks)).toEqual(["20020000"]);
  });

  test("SUBACK has the id of the SUBSCRIBE and a code for each filter, in their order [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.9.3-1] [MQTT-2.2.1-6]", async () => {
    const client = await broker.connect();
    client.send(framed(0x82, `abcd 00 "one" 01 "two" 00 "${tooDeep}" 02 "three/+" 02`));
    await client.receive("suback");
    expect(framesOf(client.chunks).at(-1)).toBe("9007abcd0001008f02");
  });

  test("SUBACK of 3.1.1 says 0x80 where a filter is refused, and grants the others [MQTT-3.8.4-5] [MQTT-3.9.3-2]", async () => {
    const client = await broker.connect({ version: 4 });
    client.send(framed(0x82, `abcd "one" 01 "${tooDeep}" 00 "two" 02`));
    await client.receive("suback");
    expect(framesOf(client.chunks).at(-1)).toBe("9005abcd018002");
  });

  test("SUBACK of 3.1 has no 0x80: the QoS is echoed, and nothing delivered", async () => {
    const acl = [{ actions: ["subscribe"], topic: "open" }];
    const password = await broker.token({ acl });
    const client = await broker.connect({ version: 3, clientId: "old", username: "u", password });
    expect(await client.subscribe({ topicFilter: "closed", qos: 1 })).toMatchObject({ reasonCodes: [1] });
    const publisher = await broker.connect();
    await publisher.publish("closed", "", { qos: 1 });
    await client.expectSilence();
  });

  test("several filters in one SUBSCRIBE are as many subscriptions [MQTT-3.8.4-5]", async () => {
    const client = await broker.connect();
    await client.subscribe(["many/a", "many/b"]);
    const publisher = await broker.connect();
    await publisher.publish("many/a", "1");
    await publisher.publish("many/b", "2");
    expect((await client.receiveAll("publish", 2)).map((packet) => packet.topic)).toEqual([
      "many/a",
      "many/b",
    ]);
    expect(await client.unsubscribe("many/a")).toMatchObject({ reasonCodes: [0] });
  });

  describe.each([5, 4] as const)("at MQTT level %i", (version) => {
    test.each([0, 1, 2] as const)(
      "granted QoS %i bounds the QoS of what is delivered [MQTT-3.8.4-7] [MQTT-3.8.4-8]",
      async (granted) => {
        const topic = `qos/${version}/${granted}`;
        const client = await broker.connect({ version });
        const { reasonCodes } = await client.subscribe({ topicFilter: topic, qos: granted });
        const publisher = await broker.connect();
        for (const qos of [0, 1, 2] as const) await publisher.publish(topic, "", { qos });
        const delivered = [];
        while (delivered.length < 3) delivered.push((await client.receiveMessage()).qos);
        expect(reasonCodes).toEqual([granted]);
        expect(delivered).toEqual([0, Math.min(1, granted), granted]);
      },
    );

    test("the same filter again replaces the subscription [MQTT-3.8.4-3]", async () => {
      const topic = `replaced/${version}`;
      const client = await broker.connect({ version });
      await client.subscribe({ topicFilter: topic, qos: 0 });
      await client.subscribe({ topicFilter: topic, qos: 1 });
      const publisher = await broker.connect();
      await publisher.publish(topic, "", { qos: 1 });
      expect((await client.receiveMessage()).qos).toBe(1);
      await client.expectSilence();
      await client.unsubscribe(topic);
      await publisher.publish(topic, "", { qos: 1 });
      await client.expectSilence();
    });

    test("the same filter again gets the retained messages again [MQTT-3.8.4-4]", async () => {
      const topic = `again/${version}`;
      await retain(topic, "kept");
      const client = await broker.connect({ version });
      for (const qos of [1, 0] as const) {
        await client.subscribe({ topicFilter: topic, qos });
        expect(await client.receiveMessage()).toMatchObject({ topic, qos, retain: true });
      }
    });

    test("a session that waits for room gets what it waited for after its subscription was replaced [MQTT-3.8.4-4]", async () => {
      const topic = `lossless/${version}`;
      const properties = version === 5 ? { sessionExpiryInterval: 60, receiveMaximum: 1 } : {};
      const client = await broker.connect({
        version,
        clientId: topic,
        cleanStart: false,
        properties,
      });
      await client.subscribe({ topicFilter: topic, qos: 1 });
      const publisher = await broker.connect();
      for (const payload of ["1", "2", "3"]) await publisher.publish(topic, payload, { qos: 1 });
      const first = await client.receive("publish");
      await client.subscribe({ topicFilter: topic, qos: 2, retainHandling: version === 5 ? 2 : 0 });
      await publisher.publish(topic, "4", { qos: 1 });
      await client.acknowledge(first);
      const later = [];
      while (later.length < 3) later.push(textOf(await client.receiveMessage()));
      expect(later).toEqual(["2", "3", "4"]);
    });
  });

  test("a replaced subscription has the options and the identifier of the later SUBSCRIBE [MQTT-3.8.4-3]", async () => {
    const client = await broker.connect({ clientId: "replacing" });
    await client.subscribe({ topicFilter: "options", noLocal: true }, { subscriptionIdentifier: 1 });
    await client.publish("options", "unheard");
    await client.subscribe(
      { topicFilter: "options", retainAsPublished: true, retainHandling: 2 },
      { subscriptionIdentifier: 2 },
    );
    await client.publish("options", "heard", { retain: true });
    const packet = await client.receive("publish");
    expect(packet).toMatchObject({ retain: true, properties: { subscriptionIdentifiers: [2] } });
    expect(textOf(packet)).toBe("heard");
  });

  test.each([
    ["a session that ends with its connection", {}],
    ["a persistent session", { sessionExpiryInterval: 60 }],
  ])(
    "No Local keeps from %s what its own client id publishes, and nothing else [MQTT-3.8.3-3]",
    async (clientId, properties) => {
      const client = await broker.connect({ clientId, properties });
      const other = await broker.connect({ clientId: `not ${clientId}` });
      await client.subscribe({ topicFilter: "local/+", qos: 2, noLocal: true });
      for (const qos of [0, 1, 2] as const) await client.publish("local/own", "", { qos });
      for (const qos of [0, 1, 2] as const) await other.publish("local/other", "", { qos });
      const topics = [];
      while (topics.length < 3) topics.push((await client.receiveMessage()).topic);
      expect(topics).toEqual(["local/other", "local/other", "local/other"]);
      await client.expectSilence();
    },
  );

  test("No Local counts for its own subscription only: an overlapping one still delivers [MQTT-3.8.3-3]", async () => {
    const client = await broker.connect();
    await client.subscribe(
      { topicFilter: "overlap/#", qos: 2, noLocal: true },
      { subscriptionIdentifier: 1 },
    );
    await client.subscribe({ topicFilter: "overlap/+", qos: 1 }, { subscriptionIdentifier: 2 });
    await client.publish("overlap/a", "", { qos: 2 });
    const packet = await client.receiveMessage();
    expect(packet).toMatchObject({ qos: 1, properties: { subscriptionIdentifiers: [2] } });
    await client.expectSilence();
  });
});

describe("3.9 SUBACK", () => {
  const acl = ["first", "second", "third"].map((level) => ({
    actions: ["subscribe"],
    topic: `narrow/${level}/#`,
  }));

  test("the effective filters stand in user properties, unless SUBACK would be too large with them [MQTT-3.9.2-1] [MQTT-3.9.2-2]", async () => {
    const password = await broker.token({ acl });
    const roomy = await broker.connect({ password });
    const suback = await roomy.subscribe({ topicFilter: "narrow/#", qos: 1 });
    expect(suback.reasonCodes).toEqual([1]);
    expect(suback.properties?.userProperties).toHaveLength(3);
    const bytes = (framesOf(roomy.chunks).at(-1)?.length ?? 0) / 2;

    const fitting = await broker.connect({ password, properties: { maximumPacketSize: bytes } });
    expect(await fitting.subscribe({ topicFilter: "narrow/#", qos: 1 })).toEqual(suback);
    const tight = await broker.connect({ password, properties: { maximumPacketSize: bytes - 1 } });
    await tight.subscribe({ topicFilter: "narrow/#", qos: 1 });
    expect(framesOf(tight.chunks).at(-1)).toBe("900400010001");
  });

  test("SUBACK without Request Problem Information names no effective filters [MQTT-3.1.2-29]", async () => {
    const password = await broker.token({ acl });
    const client = await broker.connect({ password, properties: { requestProblemInformation: false } });
    await client.subscribe({ topicFilter: "narrow/#", qos: 2 });
    expect(framesOf(client.chunks).at(-1)).toBe("900400010002");
  });

  test("the refusals are of the list: 0x87 not authorized, 0x8f too deep a filter, 0x97 too many [MQTT-3.9.3-2]", async () => {
    const small = await startBroker({ limits: { maxSubscriptions: 2 } });
    const password = await small.token({ acl: [{ actions: ["subscribe"], topic: "a/#" }] });
    const client = await small.connect({ password });
    const reasonCodes = [];
    for (const filter of ["b", tooDeep, "a/1", "a/2", "a/3", "a/1"])
      reasonCodes.push(...(await client.subscribe(filter)).reasonCodes);
    expect(reasonCodes).toEqual([0x87, 0x8f, 0, 0, 0x97, 0]);
    await small.close();
  });
});
