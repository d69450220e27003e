import { type BrokerFixture, framed, framesOf, startBroker, textOf } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

let broker: BrokerFixture;

beforeAll(async () => {
  broker = await startBroker();
});
afterAll(() => broker.close());

describe("3.10 UNSUBSCRIBE", () => {
  test.each([
    ["fixed header flags 0000 [MQTT-3.10.1-1]", framed(0xa0, `0001 00 "a"`), 0x81],
    ["fixed header flags 1010 [MQTT-3.10.1-1]", framed(0xaa, `0001 00 "a"`), 0x81],
    ["a filter that is not UTF-8 [MQTT-3.10.3-1]", framed(0xa2, "0001 00 0002 c328"), 0x81],
    ["no filter [MQTT-3.10.3-2]", framed(0xa2, "0001 00"), 0x82],
    ["packet id 0", framed(0xa2, `0000 00 "a"`), 0x82],
    ["a subscription identifier", framed(0xa2, `0001 02 0b01 "a"`), 0x81],
  ])("%s ends the connection", async (_, bytes, code) => {
    const client = await broker.connect();
    client.send(bytes);
    expect((await client.closed).disconnect?.reasonCode).toBe(code);
  });

  test.each([
    ["fixed header flags 0000 [MQTT-3.10.1-1]", framed(0xa0, `0001 "a"`)],
    ["no filter [MQTT-3.10.3-2]", framed(0xa2, "0001")],
  ])("%s closes a connection of 3.1.1 without a word", async (_, bytes) => {
    const client = await broker.connect({ version: 4 });
    client.send(bytes);
    await client.closed;
    expect(framesOf(client.chunks)).toEqual(["20020000"]);
  });

  test("UNSUBACK has the id of the UNSUBSCRIBE and a code for each filter, in their order [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT-3.11.3-2]", async () => {
    const client = await broker.connect();
    await client.subscribe(["u/1", "u/2"]);
    client.send(framed(0xa2, `abcd 00 "u/2" "u/3" "u/1" "u/2"`));
    await client.receive("unsuback");
    expect(framesOf(client.chunks).at(-1)).toBe("b007abcd0000110011");
  });

  test("UNSUBSCRIBE of an unknown filter is acknowledged with 0x11, without properties [MQTT-3.10.4-5] [MQTT-3.11.2-1] [MQTT-3.11.2-2]", async () => {
    const client = await broker.connect();
    client.send(framed(0xa2, `0102 00 "nothing"`));
    await client.receive("unsuback");
    expect(framesOf(client.chunks).at(-1)).toBe("b00401020011");
  });

  test("UNSUBACK of 3.1.1 is two bytes of packet id, also where nothing was deleted [MQTT-3.10.4-5]", async () => {
    const client = await broker.connect({ version: 4 });
    client.send(framed(0xa2, `abcd "nothing" "nor this"`));
    await client.receive("unsuback");
    expect(framesOf(client.chunks).at(-1)).toBe("b002abcd");
  });

  test("filters are compared character by character: what they match does not count [MQTT-3.10.4-1]", async () => {
    const client = await broker.connect();
    await client.subscribe("x/+");
    const { reasonCodes } = await client.unsubscribe("x/a", "x/#", "X/+", "x/+/", "#");
    expect(reasonCodes).toEqual([0x11, 0x11, 0x11, 0x11, 0x11]);
    await client.publish("x/a", "still here");
    expect(textOf(await client.receive("publish"))).toBe("still here");
    expect(await client.unsubscribe("x/+")).toMatchObject({ reasonCodes: [0] });
    await client.publish("x/a", "");
    await client.expectSilence();
  });

  describe.each([5, 4] as const)("at MQTT level %i", (version) => {
    test.each([
      ["a session that ends with its connection", true],
      ["a persistent session", false],
    ])("nothing new is added to %s after UNSUBSCRIBE [MQTT-3.10.4-2]", async (name, cleanStart) => {
      const topic = `gone/${version}/${cleanStart}`;
      const properties = version === 5 && !cleanStart ? { sessionExpiryInterval: 60 } : {};
      const options = { version, clientId: `${name} ${version}`, cleanStart, properties };
      const client = await broker.connect(options);
      const publisher = await broker.connect();
      await client.subscribe({ topicFilter: topic, qos: 2 });
      await client.unsubscribe(topic);
      for (const qos of [0, 1, 2] as const) await publisher.publish(topic, "", { qos });
      await client.expectSilence();
      await client.cut();
      await publisher.publish(topic, "", { qos: 1 });
      await (await broker.connect(options)).expectSilence();
    });

    test("deliveries of QoS 1 and 2 that were begun are finished after UNSUBSCRIBE [MQTT-3.10.4-3]", async () => {
      const topic = `begun/${version}`;
      const client = await broker.connect({ version });
      await client.subscribe({ topicFilter: topic, qos: 2 });
      const publisher = await broker.connect();
      await publisher.publish(topic, "1", { qos: 1 });
      await publisher.publish(topic, "2", { qos: 2 });
      const [first, second] = await client.receiveAll("publish", 2);
      await client.unsubscribe(topic);
      if (first) await client.acknowledge(first);
      if (second) await client.acknowledge(second);
      await client.expectSilence();
    });

    test("and go on after a reconnect: the PUBLISH of QoS 1 and the PUBREL come again [MQTT-3.10.4-3]", async () => {
      const topic = `resumed/${version}`;
      const properties = version === 5 ? { sessionExpiryInterval: 60 } : {};
      const options = { version, clientId: topic, cleanStart: false, properties };
      const client = await broker.connect(options);
      await client.subscribe({ topicFilter: topic, qos: 2 });
      const publisher = await broker.connect();
      await publisher.publish(topic, "1", { qos: 1 });
      await publisher.publish(topic, "2", { qos: 2 });
      const [first, second] = await client.receiveAll("publish", 2);
      client.send({ type: "pubrec", packetId: second?.packetId ?? 0, reasonCode: 0 });
      await client.receive("pubrel");
      await client.unsubscribe(topic);
      await client.cut();

      const back = await broker.connect(options);
      expect(await back.receive("publish")).toMatchObject({ packetId: first?.packetId, dup: true, qos: 1 });
      expect(await back.receive("pubrel")).toMatchObject({ packetId: second?.packetId, reasonCode: 0 });
    });
  });

  test("UNSUBSCRIBE of one of two overlapping filters leaves the other [MQTT-3.10.4-1]", async () => {
    const client = await broker.connect();
    await client.subscribe({ topicFilter: "two/#", qos: 1 }, { subscriptionIdentifier: 1 });
    await client.subscribe({ topicFilter: "two/+", qos: 0 }, { subscriptionIdentifier: 2 });
    await client.unsubscribe("two/#");
    await client.publish("two/a", "", { qos: 1 });
    expect(await client.receive("publish")).toMatchObject({
      qos: 0,
      properties: { subscriptionIdentifiers: [2] },
    });
  });
});
