import type { Will } from "@weir/protocol";
import {
  type BrokerFixture,
  FakeClock,
  type MqttTestClient,
  packetBytes,
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

const willOf = (topic: string, will: Partial<Will> = {}): Will => ({
  topic,
  payload: Buffer.from("gone"),
  qos: 0,
  retain: false,
  properties: {},
  ...will,
});

async function watcherOf(topic: string): Promise<MqttTestClient> {
  const watcher = await broker.connect();
  await watcher.subscribe({ topicFilter: topic, qos: 2, retainAsPublished: true });
  return watcher;
}

/** Loses its connection without a DISCONNECT, and the broker has noticed. */
async function lose(client: MqttTestClient, clientId: string): Promise<void> {
  await client.cut();
  await broker.disconnected(clientId);
}

describe("3.1.2.5 when a will is published", () => {
  test("a lost connection publishes it [MQTT-3.1.2-7] [MQTT-3.1.2-8]", async () => {
    const watcher = await watcherOf("will/lost");
    const client = await broker.connect({ will: willOf("will/lost") });
    await watcher.expectSilence();
    await client.cut();
    const will = await watcher.receive("publish");
    expect([textOf(will), will.qos, will.retain]).toEqual(["gone", 0, false]);
    await watcher.expectSilence();
  });

  test("the client's end of the connection without DISCONNECT publishes it [MQTT-3.1.2-8]", async () => {
    const watcher = await watcherOf("will/end");
    const client = await broker.connect({ will: willOf("will/end") });
    client.end();
    await client.closed;
    expect(textOf(await watcher.receive("publish"))).toBe("gone");
  });

  test("a protocol error publishes it [MQTT-3.1.2-8]", async () => {
    const watcher = await watcherOf("will/error");
    const client = await broker.connect({ will: willOf("will/error") });
    client.send(packetBytes(`00 00`));
    expect((await client.closed).disconnect?.reasonCode).toBe(0x82);
    expect(textOf(await watcher.receive("publish"))).toBe("gone");
  });

  test("silence beyond the keep alive publishes it [MQTT-3.1.2-8] [MQTT-3.1.2-22]", async () => {
    const watcher = await watcherOf("will/silent");
    const client = await broker.connect({ keepAlive: 10, will: willOf("will/silent") });
    clock.advance(16 * SECOND);
    expect((await client.closed).disconnect?.reasonCode).toBe(0x8d);
    expect(textOf(await watcher.receive("publish"))).toBe("gone");
  });

  test("DISCONNECT with 0x00 drops it [MQTT-3.1.2-10] [MQTT-3.14.4-3]", async () => {
    const watcher = await watcherOf("will/dropped");
    const client = await broker.connect({
      will: willOf("will/dropped", { properties: { willDelayInterval: 5 } }),
      properties: { sessionExpiryInterval: 10 },
    });
    await client.disconnect();
    clock.advance(20 * SECOND);
    await watcher.expectSilence();
  });

  test("DISCONNECT with 0x04 publishes it [MQTT-3.1.2-8]", async () => {
    const watcher = await watcherOf("will/asked");
    const client = await broker.connect({ will: willOf("will/asked") });
    await client.disconnect({ reasonCode: 0x04 });
    expect(textOf(await watcher.receive("publish"))).toBe("gone");
  });

  test("a will that was published is not published again [MQTT-3.1.2-10]", async () => {
    const watcher = await watcherOf("will/once");
    const properties = { sessionExpiryInterval: 60 };
    const client = await broker.connect({ clientId: "will-once", will: willOf("will/once"), properties });
    await lose(client, "will-once");
    await watcher.receive("publish");
    const back = await broker.connect({ clientId: "will-once", cleanStart: false, properties });
    await lose(back, "will-once");
    clock.advance(100 * SECOND);
    await watcher.expectSilence();
  });

  test("a take-over publishes it [MQTT-3.1.2-8] [MQTT-3.1.4-3]", async () => {
    const watcher = await watcherOf("will/taken");
    const properties = { sessionExpiryInterval: 60 };
    await broker.connect({ clientId: "will-taken", will: willOf("will/taken"), properties });
    await broker.connect({ clientId: "will-taken", cleanStart: false });
    expect(textOf(await watcher.receive("publish"))).toBe("gone");
    await watcher.expectSilence();
  });
});

describe("3.1.3.2.2 Will Delay Interval", () => {
  const delayed = (topic: string, willDelayInterval: number): Will =>
    willOf(topic, { properties: { willDelayInterval } });

  test("the will waits for its delay [MQTT-3.1.2-8]", async () => {
    const watcher = await watcherOf("delay/waits");
    const client = await broker.connect({
      clientId: "delay-waits",
      will: delayed("delay/waits", 30),
      properties: { sessionExpiryInterval: 100 },
    });
    await lose(client, "delay-waits");
    clock.advance(29 * SECOND);
    await watcher.expectSilence();
    clock.advance(2 * SECOND);
    const will = await watcher.receive("publish");
    expect(textOf(will)).toBe("gone");
    expect(will.properties).toBeUndefined(); // the delay is the broker's business
  });

  test.each([
    ["without a will", undefined],
    ["with the same will", delayed("delay/back", 30)],
  ])("a client that is back within the delay, %s, has none published [MQTT-3.1.3-9]", async (_, nextWill) => {
    const clientId = `delay-back-${String(nextWill !== undefined)}`;
    const watcher = await watcherOf("delay/back");
    const properties = { sessionExpiryInterval: 100 };
    const client = await broker.connect({ clientId, will: delayed("delay/back", 30), properties });
    await lose(client, clientId);
    clock.advance(20 * SECOND);
    const back = await broker.connect({
      clientId,
      cleanStart: false,
      ...(nextWill && { will: nextWill }),
      properties,
    });
    clock.advance(50 * SECOND);
    await watcher.expectSilence();
    await back.disconnect();
  });

  test("a take-over within the delay is such a return [MQTT-3.1.3-9]", async () => {
    const watcher = await watcherOf("delay/taken");
    const properties = { sessionExpiryInterval: 100 };
    await broker.connect({ clientId: "delay-taken", will: delayed("delay/taken", 30), properties });
    const newer = await broker.connect({ clientId: "delay-taken", cleanStart: false, properties });
    clock.advance(50 * SECOND);
    await watcher.expectSilence();
    await newer.disconnect();
  });

  test("the session's end publishes the will before its delay is over [MQTT-3.1.2-8]", async () => {
    const watcher = await watcherOf("delay/expired");
    const client = await broker.connect({
      clientId: "delay-expired",
      will: delayed("delay/expired", 500),
      properties: { sessionExpiryInterval: 10 },
    });
    await lose(client, "delay-expired");
    clock.advance(9 * SECOND);
    await watcher.expectSilence();
    clock.advance(2 * SECOND);
    expect(textOf(await watcher.receive("publish"))).toBe("gone");
    clock.advance(600 * SECOND);
    await watcher.expectSilence();
  });

  test("a session that ends with its connection does not delay its will [MQTT-3.1.2-8]", async () => {
    const watcher = await watcherOf("delay/none");
    const client = await broker.connect({ will: delayed("delay/none", 1_000) });
    await client.cut();
    expect(textOf(await watcher.receive("publish"))).toBe("gone");
  });

  test("Clean Start 1 ends the old session and publishes its will at once [MQTT-3.1.2-8]", async () => {
    const watcher = await watcherOf("delay/cleaned");
    const client = await broker.connect({
      clientId: "delay-cleaned",
      will: delayed("delay/cleaned", 1_000),
      properties: { sessionExpiryInterval: 2_000 },
    });
    await lose(client, "delay-cleaned");
    await watcher.expectSilence();
    await broker.connect({ clientId: "delay-cleaned", cleanStart: true });
    expect(textOf(await watcher.receive("publish"))).toBe("gone");
  });

  test("the new connection's will takes the old one's place [MQTT-3.1.3-9]", async () => {
    const watcher = await watcherOf("delay/new");
    const properties = { sessionExpiryInterval: 100 };
    const first = await broker.connect({
      clientId: "delay-new",
      will: willOf("delay/new", { payload: Buffer.from("first"), properties: { willDelayInterval: 30 } }),
      properties,
    });
    await lose(first, "delay-new");
    const second = await broker.connect({
      clientId: "delay-new",
      cleanStart: false,
      will: willOf("delay/new", { payload: Buffer.from("second"), properties: { willDelayInterval: 30 } }),
      properties,
    });
    await lose(second, "delay-new");
    clock.advance(60 * SECOND);
    expect(textOf(await watcher.receive("publish"))).toBe("second");
    await watcher.expectSilence();
  });

  test("DISCONNECT 0x04 starts the delay too [MQTT-3.1.2-8]", async () => {
    const watcher = await watcherOf("delay/asked");
    const client = await broker.connect({
      clientId: "delay-asked",
      will: delayed("delay/asked", 30),
      properties: { sessionExpiryInterval: 100 },
    });
    await client.disconnect({ reasonCode: 0x04 });
    await broker.disconnected("delay-asked");
    await watcher.expectSilence();
    clock.advance(31 * SECOND);
    expect(textOf(await watcher.receive("publish"))).toBe("gone");
  });
});

describe("what a will says", () => {
  test("it has the QoS that CONNECT gave it [MQTT-3.1.2-12] [MQTT-3.2.2-12]", async () => {
    const watcher = await watcherOf("will/qos/+");
    for (const qos of [0, 1, 2] as const) {
      const client = await broker.connect({ will: willOf(`will/qos/${qos}`, { qos }) });
      await client.cut();
      expect(await watcher.receiveMessage()).toMatchObject({ topic: `will/qos/${qos}`, qos });
    }
  });

  test("Will Retain 0 leaves no retained message [MQTT-3.1.2-14]", async () => {
    const watcher = await watcherOf("will/unretained");
    const client = await broker.connect({ will: willOf("will/unretained", { qos: 1 }) });
    await client.cut();
    expect(await watcher.receiveMessage()).toMatchObject({ retain: false });
    const late = await watcherOf("will/unretained");
    await late.expectSilence();
  });

  test("Will Retain 1 leaves a retained message [MQTT-3.1.2-15] [MQTT-3.2.2-13]", async () => {
    const watcher = await watcherOf("will/retained");
    const client = await broker.connect({ will: willOf("will/retained", { qos: 1, retain: true }) });
    await client.cut();
    expect(await watcher.receiveMessage()).toMatchObject({ retain: true });
    const late = await watcherOf("will/retained");
    expect(await late.receiveMessage()).toMatchObject({ topic: "will/retained", retain: true, qos: 1 });
  });

  test("an empty will with Will Retain 1 removes the retained message [MQTT-3.1.2-15]", async () => {
    const watcher = await watcherOf("will/clears");
    await watcher.publish("will/clears", "old", { qos: 1, retain: true });
    expect(textOf(await watcher.receiveMessage())).toBe("old");
    const will = willOf("will/clears", { retain: true, payload: new Uint8Array(0) });
    await (await broker.connect({ will })).cut();
    expect((await watcher.receiveMessage()).payload).toHaveLength(0);
    const late = await watcherOf("will/clears");
    await late.expectSilence();
  });

  test("its properties travel with it, user properties in their order [MQTT-3.1.3-10]", async () => {
    const watcher = await watcherOf("will/properties");
    const userProperties = [
      ["b", "1"],
      ["a", "2"],
      ["b", "1"],
      ["", ""],
    ] as const;
    const client = await broker.connect({
      will: willOf("will/properties", {
        properties: {
          payloadFormatIndicator: 1,
          contentType: "text/plain",
          responseTopic: "will/answers",
          correlationData: Uint8Array.of(0, 1, 255),
          messageExpiryInterval: 60,
          willDelayInterval: 0,
          userProperties,
        },
      }),
    });
    await client.cut();
    const { properties } = await watcher.receive("publish");
    expect(properties).toEqual({
      payloadFormatIndicator: 1,
      contentType: "text/plain",
      responseTopic: "will/answers",
      correlationData: Uint8Array.of(0, 1, 255),
      messageExpiryInterval: 60,
      userProperties,
    });
  });

  test("its expiry interval begins when it is published", async () => {
    const watcher = await broker.connect({
      clientId: "will-expiry",
      properties: { sessionExpiryInterval: 600 },
    });
    await watcher.subscribe({ topicFilter: "will/expiry", qos: 1 });
    await watcher.disconnect();
    const client = await broker.connect({
      clientId: "will-expiring",
      will: willOf("will/expiry", {
        qos: 1,
        properties: { willDelayInterval: 50, messageExpiryInterval: 60 },
      }),
      properties: { sessionExpiryInterval: 100 },
    });
    await lose(client, "will-expiring");
    clock.advance(50 * SECOND);
    const probe = await watcherOf("will/expiry/probe");
    await probe.expectSilence();
    clock.advance(20 * SECOND);
    const back = await broker.connect({ clientId: "will-expiry", cleanStart: false });
    expect((await back.receive("publish")).properties).toEqual({ messageExpiryInterval: 40 });
  });

  test("a will reaches the subscriptions of others, and not its own client's session", async () => {
    const properties = { sessionExpiryInterval: 60 };
    const will = willOf("will/own", { qos: 1 });
    const client = await broker.connect({ clientId: "will-own", will, properties });
    await client.subscribe({ topicFilter: "will/own", qos: 1, noLocal: true });
    await lose(client, "will-own");
    const back = await broker.connect({ clientId: "will-own", cleanStart: false });
    await back.expectSilence();
  });

  test("a client that may not publish its will is refused with 0x87 and closed [MQTT-3.1.4-2]", async () => {
    const key = await broker.token({ acl: [{ actions: ["publish"], topic: "mine/#" }] });
    const client = await broker.open({ password: key, will: willOf("yours/will") });
    expect(await client.connect()).toMatchObject({ reasonCode: 0x87, sessionPresent: false });
    await client.closed;
    const allowed = await broker.connect({ password: key, will: willOf("mine/will") });
    await allowed.disconnect();
  });
});

describe("MQTT 3.1.1 wills", () => {
  test("a lost connection publishes it, DISCONNECT drops it [MQTT-3.1.1 3.1.2-8, 3.1.2-10]", async () => {
    const watcher = await watcherOf("will/v4");
    const polite = await broker.connect({ version: 4, will: willOf("will/v4") });
    await polite.disconnect();
    await watcher.expectSilence();
    const lost = await broker.connect({ version: 4, will: willOf("will/v4", { qos: 2 }) });
    await lost.cut();
    expect(await watcher.receiveMessage()).toMatchObject({ qos: 2 });
  });

  test("a lost connection of MQTT 3.1 publishes it", async () => {
    const watcher = await watcherOf("will/v3");
    const client = await broker.connect({
      version: 3,
      clientId: "will3",
      will: willOf("will/v3", { qos: 1 }),
    });
    await client.cut();
    expect(await watcher.receiveMessage()).toMatchObject({ qos: 1 });
  });
});
