import { describe, expect, it } from "vitest";
import type { MqttTestClient } from "@weir/testkit";
import { type BrokerProcess, startBrokerProcess } from "../../testing/hostile/broker-process.ts";

const PAYLOAD_BYTES = 8_192;
const MESSAGES = 4_000;
const BURST = 20;
const BUFFER_BYTES = 1_048_576;

/** Publishes to `topic`, as fast as the reader beside the frozen one takes it; resolves when all of them were read. */
async function publishAll(
  publisher: MqttTestClient,
  reader: MqttTestClient,
  topic: string,
  qos: 0 | 1,
): Promise<number[]> {
  const received: number[] = [];
  for (let start = 0; start < MESSAGES; start += BURST) {
    for (let at = start; at < start + BURST; at++)
      publisher.send(publisher.publishPacket(topic, payload(at), { qos }));
    if (qos > 0) await publisher.receiveAll("puback", BURST);
    for (let at = 0; at < BURST; at++) received.push(numberIn((await reader.receiveMessage()).payload));
    reader.chunks.length = 0;
  }
  return received;
}

function payload(number: number): Buffer {
  const bytes = Buffer.alloc(PAYLOAD_BYTES);
  bytes.writeUInt32BE(number);
  return bytes;
}

function numberIn(bytes: Uint8Array): number {
  return Buffer.from(bytes).readUInt32BE(0);
}

const all = Array.from({ length: MESSAGES }, (_, at) => at);

interface Scene {
  readonly broker: BrokerProcess;
  readonly publisher: MqttTestClient;
  readonly healthy: MqttTestClient;
  readonly frozen: MqttTestClient;
}

/** A healthy subscriber and one that has stopped reading, both at this QoS. */
async function sceneOf(qos: 0 | 1, over: "tcp" | "ws", sessionExpiryInterval = 0): Promise<Scene> {
  const broker = await startBrokerProcess();
  const publisher = await broker.connect({ clientId: "publisher" });
  const healthy = await broker.connect({ clientId: "healthy" });
  const frozen = await broker.connect({ clientId: "frozen", over, properties: { sessionExpiryInterval } });
  for (const subscriber of [healthy, frozen]) await subscriber.subscribe({ topicFilter: "fast", qos });
  frozen.freeze();
  return { broker, publisher, healthy, frozen };
}

describe("a subscriber that has stopped reading", () => {
  it.each(["tcp", "ws"] as const)(
    "over %s at QoS 0: costs the one beside it no message, itself what it cannot take, and the broker its buffer",
    async (over) => {
      const { broker, publisher, healthy, frozen } = await sceneOf(0, over);
      const before = await broker.measure();
      expect(await publishAll(publisher, healthy, "fast", 0)).toEqual(all);
      const now = await broker.measure();
      expect((now.liveMegabytes - before.liveMegabytes) * 1_048_576).toBeLessThan(
        BUFFER_BYTES + 3 * 1_048_576,
      );
      const dropped = await broker.metric('weir_messages_dropped_total{reason="slow"}');
      expect(dropped).toBeGreaterThan(MESSAGES / 2);
      expect(await broker.metric('weir_limit_reached_total{limit="limits.maxBufferBytes"}')).toBeGreaterThan(
        0,
      );
      frozen.thaw();
      const kept = (await frozen.receiveAll("publish", MESSAGES - dropped)).map((message) =>
        numberIn(message.payload),
      );
      expect(kept, "in order, each once").toEqual([...new Set(kept)].sort((a, b) => a - b));
      await frozen.expectSilence();
      await broker.stop();
    },
  );

  it("at QoS 1: costs the one beside it no message, and the broker its queue", async () => {
    const { broker, publisher, healthy, frozen } = await sceneOf(1, "tcp");
    const before = await broker.measure();
    expect(await publishAll(publisher, healthy, "fast", 1)).toEqual(all);
    const now = await broker.measure();
    expect(now.liveMegabytes - before.liveMegabytes).toBeLessThan(1 + 16 + 16 + 4);
    const dropped = await broker.metric('weir_messages_dropped_total{reason="queue-full"}');
    expect(dropped).toBeGreaterThan(0);
    expect(await broker.metric('weir_limit_reached_total{limit="limits.directQueuedBytes"}')).toBe(dropped);
    frozen.thaw();
    const received: number[] = [];
    while (received.length < MESSAGES - dropped)
      received.push(numberIn((await frozen.receiveMessage()).payload));
    expect(received, "in order, each once").toEqual([...new Set(received)].sort((a, b) => a - b));
    await broker.stop();
  });

  it("at QoS 1 with a persistent session: costs nobody a message, itself neither: they wait in the log", async () => {
    const { broker, publisher, healthy, frozen } = await sceneOf(1, "tcp", 3_600);
    expect(await publishAll(publisher, healthy, "fast", 1)).toEqual(all);
    frozen.thaw();
    const received: number[] = [];
    while (received.length < MESSAGES) received.push(numberIn((await frozen.receiveMessage()).payload));
    expect(received).toEqual(all);
    await broker.stop();
  });

  it("is not what a burst makes of one that reads: 40 publishers at once cost it no message", async () => {
    const broker = await startBrokerProcess();
    const reader = await broker.connect({ clientId: "reader" });
    await reader.subscribe("burst");
    const publishers = await Promise.all(
      Array.from({ length: 40 }, (_, at) => broker.connect({ clientId: `publisher-${at}` })),
    );
    for (let round = 0; round < 3; round++) {
      for (const publisher of publishers) {
        publisher.send(
          ...Array.from({ length: 6 }, (_, at) => publisher.publishPacket("burst", payload(at))),
        );
      }
      await reader.receiveAll("publish", 40 * 6);
      reader.chunks.length = 0;
    }
    expect(await broker.metric('weir_messages_dropped_total{reason="slow"}')).toBe(0);
    await broker.stop();
  });

  it("that reads but never acknowledges holds no more than 16 MiB in flight", async () => {
    const broker = await startBrokerProcess();
    const publisher = await broker.connect({ clientId: "publisher" });
    const silent = await broker.connect({ clientId: "silent" });
    await silent.subscribe({ topicFilter: "large", qos: 1 });
    const before = await broker.measure();
    for (let at = 0; at < 100; at++) {
      await publisher.publish("large", Buffer.alloc(1_000_000), { qos: 1 });
      silent.chunks.length = 0;
    }
    const now = await broker.measure();
    expect(now.liveMegabytes - before.liveMegabytes).toBeLessThan(16 + 16 + 6);
    expect(await broker.metric('weir_limit_reached_total{limit="limits.inFlightBytes"}')).toBeGreaterThan(0);
    await broker.stop();
  });

  it.each([
    ["whose few bytes each keep a chunk of 64 KiB", 600, 0, Buffer.alloc(60_000)],
    ["whose properties are far larger than their payload", 60, 15, undefined],
  ])("is owed messages %s: they count as what they cost", async (_what, count, properties, junk) => {
    const broker = await startBrokerProcess();
    const publisher = await broker.connect({ clientId: "publisher" });
    const waiting = await broker.connect({ clientId: "waiting", properties: { receiveMaximum: 1 } });
    await waiting.subscribe({ topicFilter: "owed", qos: 1 });
    const before = await broker.measure();
    const userProperties = Array.from({ length: properties }, () => ["name", "x".repeat(60_000)] as const);
    for (let at = 0; at < count; at++) {
      const message = publisher.publishPacket("owed", "x", { qos: 1, properties: { userProperties } });
      publisher.send(message, ...(junk ? [publisher.publishPacket("nobody", junk)] : []));
      await publisher.receive("puback");
    }
    expect((await broker.measure()).liveMegabytes - before.liveMegabytes).toBeLessThan(16 + 6);
    expect(await broker.metric('weir_limit_reached_total{limit="limits.directQueuedBytes"}')).toBeGreaterThan(
      0,
    );
    await broker.stop();
  });
});
