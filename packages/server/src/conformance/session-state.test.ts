import { type BrokerFixture, type ClientOptions, FakeClock, startBroker, textOf } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const SECOND = 1_000;
const MAX_EXPIRY_S = 1_000;
const clock = new FakeClock({ soon: "immediate" });
let broker: BrokerFixture;

beforeAll(async () => {
  broker = await startBroker({ clock, limits: { maxSessionExpiryS: MAX_EXPIRY_S } });
});
afterAll(() => broker.close());

function sessionOf(clientId: string, sessionExpiryInterval: number): ClientOptions {
  return { clientId, cleanStart: false, properties: { sessionExpiryInterval } };
}

async function isPresent(options: ClientOptions): Promise<boolean | undefined> {
  const client = await broker.connect(options);
  const answer = client.connack?.sessionPresent;
  await client.disconnect();
  return answer;
}

describe("4.1 Session state", () => {
  test("is kept while connected, for longer than its expiry interval [MQTT-4.1.0-1]", async () => {
    const client = await broker.connect(sessionOf("kept", 1));
    await client.subscribe({ topicFilter: "kept", qos: 1 });
    clock.advance(300 * SECOND);
    await client.publish("kept", "here", { qos: 1 });
    expect(textOf(await client.receiveMessage())).toBe("here");
    await client.cut();
    expect(await isPresent(sessionOf("kept", 1))).toBe(true);
  });

  test("without an expiry interval ends with the connection [MQTT-4.1.0-2]", async () => {
    const client = await broker.connect({ clientId: "short", cleanStart: false });
    await client.subscribe({ topicFilter: "short", qos: 1 });
    await client.cut();
    const back = await broker.connect({ clientId: "short", cleanStart: false });
    expect(back.connack?.sessionPresent).toBe(false);
    await back.publish("short", "", { qos: 1 });
    await back.expectSilence();
  });

  test("is dropped when it has expired, with its subscriptions and what waits in it [MQTT-4.1.0-2]", async () => {
    const client = await broker.connect(sessionOf("expired", 30));
    await client.subscribe({ topicFilter: "expired", qos: 1 });
    await client.cut();
    const publisher = await broker.connect();
    await publisher.publish("expired", "waits", { qos: 1 });
    clock.advance(29 * SECOND);
    const inTime = await broker.connect(sessionOf("expired", 30));
    expect(inTime.connack?.sessionPresent).toBe(true);
    expect(textOf(await inTime.receiveMessage())).toBe("waits");
    await inTime.disconnect();

    await publisher.publish("expired", "waits in vain", { qos: 1 });
    clock.advance(31 * SECOND);
    const late = await broker.connect(sessionOf("expired", 30));
    expect(late.connack?.sessionPresent).toBe(false);
    await publisher.publish("expired", "", { qos: 1 });
    await late.expectSilence();
  });

  test("DISCONNECT may set another expiry, longer or shorter [MQTT-4.1.0-2]", async () => {
    const longer = await broker.connect(sessionOf("longer", 10));
    await longer.disconnect({ properties: { sessionExpiryInterval: 100 } });
    const shorter = await broker.connect(sessionOf("shorter", 100));
    await shorter.disconnect({ properties: { sessionExpiryInterval: 10 } });
    clock.advance(50 * SECOND);
    expect(await isPresent(sessionOf("longer", 10))).toBe(true);
    expect(await isPresent(sessionOf("shorter", 10))).toBe(false);
  });

  test("CONNECT sets it anew: a resumed session ends with its connection if it says nothing", async () => {
    const client = await broker.connect(sessionOf("resumed", 600));
    await client.cut();
    const back = await broker.connect({ clientId: "resumed", cleanStart: false });
    expect(back.connack?.sessionPresent).toBe(true);
    await back.cut();
    expect(await isPresent(sessionOf("resumed", 600))).toBe(false);
  });

  test.each([
    ["0xffffffff", 0xffff_ffff],
    ["twice as much", 2 * MAX_EXPIRY_S],
  ])("an interval of %s is cut to the broker's maximum, which CONNACK tells", async (clientId, asked) => {
    const client = await broker.connect(sessionOf(clientId, asked));
    expect(client.connack?.properties?.sessionExpiryInterval).toBe(MAX_EXPIRY_S);
    await client.disconnect();
    clock.advance(0.9 * MAX_EXPIRY_S * SECOND);
    expect(await isPresent(sessionOf(clientId, asked))).toBe(true);
    clock.advance(1.1 * MAX_EXPIRY_S * SECOND);
    expect(await isPresent(sessionOf(clientId, asked))).toBe(false);
  });

  test("of 3.1.1 with Clean Session 0 is kept for the broker's maximum, with 1 not at all [MQTT-3.1.2-4] [MQTT-3.1.2-6]", async () => {
    const options = { version: 4, clientId: "older", cleanStart: false } as const;
    const client = await broker.connect(options);
    expect(client.connack?.sessionPresent).toBe(false);
    await client.subscribe({ topicFilter: "older", qos: 1 });
    await client.disconnect();
    clock.advance(0.9 * MAX_EXPIRY_S * SECOND);
    expect(await isPresent(options)).toBe(true);
    expect(await isPresent({ ...options, cleanStart: true })).toBe(false);
    expect(await isPresent(options)).toBe(false);
    clock.advance(1.1 * MAX_EXPIRY_S * SECOND);
    expect(await isPresent(options)).toBe(false);
  });

  test("is the same whichever version and transport its client comes back with [MQTT-4.1.0-1]", async () => {
    const client = await broker.connect({ version: 4, clientId: "moves", cleanStart: false });
    await client.subscribe({ topicFilter: "moves", qos: 2 });
    await client.cut();
    const publisher = await broker.connect();
    await publisher.publish("moves", "1", { qos: 2, properties: { contentType: "text" } });
    const five = await broker.connect({ ...sessionOf("moves", 60), over: "ws" });
    expect(five.connack?.sessionPresent).toBe(true);
    const packet = await five.receiveMessage();
    expect(packet).toMatchObject({ qos: 2, properties: { contentType: "text" } });
  });

  test("holds the subscriptions with their options and identifiers [MQTT-4.1.0-1]", async () => {
    const client = await broker.connect(sessionOf("options", 60));
    await client.subscribe(
      { topicFilter: "options/+", qos: 1, retainAsPublished: true, noLocal: true },
      { subscriptionIdentifier: 42 },
    );
    await client.cut();
    const back = await broker.connect(sessionOf("options", 60));
    await back.publish("options/own", "", { qos: 1 });
    const publisher = await broker.connect();
    await publisher.publish("options/a", "", { qos: 2, retain: true });
    expect(await back.receive("publish")).toMatchObject({
      topic: "options/a",
      qos: 1,
      retain: true,
      properties: { subscriptionIdentifiers: [42] },
    });
  });
});

describe("4.2 Network connections", () => {
  const tcpAndWebSocket = ["tcp", "ws"] as const;

  test.each(tcpAndWebSocket)("packets are the same however %s cuts them [MQTT-4.2-1]", async (over) => {
    const client = await broker.open({ over, clientId: `cut over ${over}` });
    const bytes = Buffer.concat([
      Buffer.from("100e00044d51545405020000000001", "hex"),
      Buffer.from("61", "hex"), // CONNECT with the client id "a"
      Buffer.from("820900010000036375740182", "hex").subarray(0, 11), // SUBSCRIBE to "cut" at QoS 1
      Buffer.from("320900036375740002006f6b", "hex").subarray(0, 11), // PUBLISH "o" to it
      Buffer.from("c000", "hex"),
    ]);
    for (const byte of bytes) client.send(Uint8Array.of(byte));
    expect(await client.receive("connack")).toMatchObject({ reasonCode: 0 });
    expect(await client.receive("suback")).toMatchObject({ packetId: 1, reasonCodes: [1] });
    const rest = [await client.receive(), await client.receive(), await client.receive()];
    expect(rest.map((packet) => packet.type).toSorted()).toEqual(["pingresp", "puback", "publish"]);
  });

  test.each(tcpAndWebSocket)(
    "none of 5,000 messages is lost or overtakes another over %s [MQTT-4.2-1]",
    async (over) => {
      const subscriber = await broker.connect({ over, properties: { receiveMaximum: 65_535 } });
      await subscriber.subscribe({ topicFilter: `flood/${over}`, qos: 1 });
      const publisher = await broker.connect({ over });
      for (let batch = 0; batch < 10; batch += 1) {
        for (let index = 0; index < 500; index += 1) {
          const number = batch * 500 + index;
          publisher.send(
            publisher.publishPacket(`flood/${over}`, String(number), { qos: 1, packetId: index + 1 }),
          );
        }
        await publisher.receiveAll("puback", 500);
        for (let index = 0; index < 500; index += 1) {
          const packet = await subscriber.receive("publish");
          expect(textOf(packet)).toBe(String(batch * 500 + index));
          subscriber.send({ type: "puback", packetId: packet.packetId, reasonCode: 0 });
        }
      }
    },
  );
});
