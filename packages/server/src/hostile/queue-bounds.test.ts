import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type BrokerFixture, type MqttTestClient, startBroker } from "@weir/testkit";
import { MqttJsLibrary } from "../../testing/real-clients/mqtt-js-library.ts";

type Limits = NonNullable<NonNullable<Parameters<typeof startBroker>[0]>["limits"]>;

interface SessionSeen {
  readonly queued: number;
  readonly queuedBytes: number;
  readonly queuePolicy: string;
  readonly dropped: number;
}

const folders: string[] = [];
const brokers: BrokerFixture[] = [];

afterEach(async () => {
  for (const broker of brokers.splice(0)) await broker.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function started(data: string | undefined, limits: Limits): Promise<BrokerFixture> {
  const broker = await startBroker({ limits, ...(data !== undefined && { data }) });
  brokers.push(broker);
  return broker;
}

function dataOf(engine: "memory" | "embedded"): string | undefined {
  if (engine === "memory") return undefined;
  const folder = mkdtempSync(join(tmpdir(), "weir-queue-"));
  folders.push(folder);
  return folder;
}

function connectedAs(broker: BrokerFixture, clientId: string): Promise<MqttTestClient> {
  return broker.connect({ clientId, cleanStart: false, properties: { sessionExpiryInterval: 3_600 } });
}

/** A persistent session whose client has gone away. */
async function away(broker: BrokerFixture, clientId: string, filter: string): Promise<void> {
  const client = await connectedAs(broker, clientId);
  await client.subscribe([{ topicFilter: filter, qos: 1 }, "$client/dropped"]);
  await client.cut();
  await broker.disconnected(clientId);
}

/** Messages of QoS 1, each acknowledged. */
async function publishAll(
  client: MqttTestClient,
  topics: readonly string[],
  payload: (at: number) => Buffer,
): Promise<void> {
  for (let start = 0; start < topics.length; start += 500) {
    const burst = topics.slice(start, start + 500);
    for (const [at, topic] of burst.entries())
      client.send(client.publishPacket(topic, payload(start + at), { qos: 1 }));
    await client.receiveAll("puback", burst.length);
    client.chunks.length = 0;
  }
}

async function seen(broker: BrokerFixture, clientId: string): Promise<SessionSeen> {
  const { items } = (await broker.rest("GET", `/sessions?clientId=${clientId}`)) as { items: SessionSeen[] };
  return items[0] as SessionSeen;
}

/** Looks until it is so. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 20_000;
  while (!(await isSo())) {
    if (Date.now() > endMs) throw new Error("it never was so");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What a returning client gets, up to the notice of what it has missed. */
async function received(client: MqttTestClient): Promise<{ payloads: string[]; told: unknown }> {
  const payloads: string[] = [];
  for (;;) {
    const { topic, payload } = await client.receiveMessage();
    const text = Buffer.from(payload).toString();
    if (topic === "$client/dropped") return { payloads, told: JSON.parse(text) as unknown };
    payloads.push(text);
  }
}

function text(value: string): Buffer {
  return Buffer.from(value);
}

const topics = Array.from({ length: 20 }, (_, at) => `q/${at % 3}`);
const all = topics.map((_, at) => `m${at + 10}`);

describe.each(["memory", "embedded"] as const)("a session that is away at its bound, %s engine", (engine) => {
  it.each([
    ["drop-oldest", all.slice(-5)],
    ["drop-newest", all.slice(0, 5)],
    ["latest-per-topic", all.slice(-3)],
  ] as const)("%s: gets what the policy has left, and is told", async (queuePolicy, kept) => {
    const broker = await started(dataOf(engine), { queuedMessages: 5, queuePolicy });
    await away(broker, "s", "q/#");
    const publisher = await broker.connect({ clientId: "p" });
    await publishAll(publisher, topics, (at) => text(all[at] as string));
    await until(async () => (await seen(broker, "s")).queued === kept.length);
    const { queuedBytes, dropped, ...session } = await seen(broker, "s");
    expect([session.queuePolicy, queuedBytes, dropped]).toEqual([
      queuePolicy,
      kept.length * 3,
      20 - kept.length,
    ]);
    const { payloads, told } = await received(await connectedAs(broker, "s"));
    expect(payloads).toEqual(kept);
    expect(told).toEqual({ count: dropped, bytes: dropped * 3, reason: "queue-full" });
    const metrics = await metricsOf(broker);
    expect(metrics).toContain(`weir_messages_dropped_total{reason="queue-full"} ${dropped}\n`);
  });

  it("disconnect: there is no session for it any more", async () => {
    const broker = await started(dataOf(engine), { queuedMessages: 5, queuePolicy: "disconnect" });
    await away(broker, "s", "q/#");
    const publisher = await broker.connect({ clientId: "p" });
    await publishAll(publisher, topics, () => text("m"));
    await until(async () => (await seen(broker, "s")) === undefined);
    const client = await broker.open({ clientId: "s", cleanStart: false });
    expect(await client.connect()).toMatchObject({ sessionPresent: false, reasonCode: 0 });
  });
});

describe("a session that is away, on a disk", () => {
  it.each([
    ["drop-newest", all.slice(0, 5)],
    ["latest-per-topic", all.slice(-3)],
  ] as const)(
    "%s: a restart does not bring back what was dropped, and tells it",
    async (queuePolicy, kept) => {
      const data = dataOf("embedded");
      const before = await started(data, { queuedMessages: 5, queuePolicy });
      await away(before, "s", "q/#");
      const publisher = await before.connect({ clientId: "p" });
      await publishAll(publisher, topics, (at) => text(all[at] as string));
      await until(async () => (await seen(before, "s")).queued === kept.length);
      await brokers.pop()?.close();
      const broker = await started(data, { queuedMessages: 1_000 });
      await until(async () => (await seen(broker, "s")).queued === kept.length);
      expect(await seen(broker, "s")).toMatchObject({ dropped: 20 - kept.length });
      const { payloads, told } = await received(await connectedAs(broker, "s"));
      expect(payloads).toEqual(kept);
      expect(told).toMatchObject({ count: 20 - kept.length });
    },
  );

  it("waiting for one old message pins nothing but that message: segments go, and it still gets it", async () => {
    const limits = { logSegmentBytes: 65_536, logFloorS: 0, logFloorBytes: 0 };
    const broker = await started(dataOf("embedded"), limits);
    await away(broker, "old", "old");
    await away(broker, "bounded", "q/#");
    const reader = await connectedAs(broker, "reader");
    await reader.subscribe({ topicFilter: "q/#", qos: 1 });
    const publisher = await broker.connect({ clientId: "p" });
    await publisher.publish("old", "the one", { qos: 1 });
    const messages = Array.from({ length: 5_000 }, () => "q/1");
    const reading = reader.receiveAll("publish", 500);
    await publishAll(publisher, messages.slice(0, 500), () => Buffer.alloc(1_024));
    for (const { packetId } of await reading) reader.send({ type: "puback", packetId, reasonCode: 0 });
    await broker.rest("DELETE", `/sessions?clientId=reader`);
    await publishAll(publisher, messages.slice(500), () => Buffer.alloc(1_024));
    expect(await logBytes(broker)).toBeGreaterThan(4_500_000);
    await broker.rest("DELETE", `/sessions?clientId=bounded`);
    await away(broker, "again", "q/#");
    await publishAll(publisher, messages.slice(0, 500), () => Buffer.alloc(1_024));
    await until(async () => (await logBytes(broker)) < 1_000_000);
    const client = await connectedAs(broker, "old");
    expect(Buffer.from((await client.receiveMessage()).payload).toString()).toBe("the one");
  });

  it("at its bound leaves the disk to others", async () => {
    const limits = { logSegmentBytes: 65_536, logFloorS: 0, logFloorBytes: 0, queuedBytes: 100_000 };
    const broker = await started(dataOf("embedded"), limits);
    await away(broker, "bounded", "q/#");
    const publisher = await broker.connect({ clientId: "p" });
    for (let round = 0; round < 4; round += 1) {
      await publishAll(
        publisher,
        Array.from({ length: 500 }, () => "q/1"),
        () => Buffer.alloc(1_024),
      );
      await until(async () => (await seen(broker, "bounded")).queuedBytes <= 100_000);
    }
    await until(async () => (await logBytes(broker)) < 1_500_000);
  });
});

it("a token's own limits and policy count, for MQTT.js too", async () => {
  const broker = await started(undefined, {});
  const limits = { queuedMessages: 4, queuePolicy: "latest-per-topic" };
  const key = await broker.token({ acl: [{ actions: ["subscribe"], topic: "q/#" }], limits });
  const library = new MqttJsLibrary();
  const address = { over: "tcp", port: broker.addresses.mqtt.port, ca: "", caFile: "" } as const;
  const options = { version: 5, clientId: "js", password: key, cleanStart: false } as const;
  const first = await library.connect(address, options);
  await first.subscribe("q/#", { qos: 1 });
  await first.disconnect();
  const publisher = await broker.connect({ clientId: "p" });
  await publishAll(publisher, topics, (at) => text(all[at] as string));
  await until(async () => (await seen(broker, "js")).queued === 3);
  const again = await library.connect(address, options);
  const got = [await again.inbox.next(), await again.inbox.next(), await again.inbox.next()];
  expect(got.map(({ payload }) => payload.toString())).toEqual(all.slice(-3));
  await library.close();
});

async function metricsOf(broker: BrokerFixture): Promise<string> {
  return (await fetch(`http://127.0.0.1:${broker.addresses.http.port}/metrics`)).text();
}

async function logBytes(broker: BrokerFixture): Promise<number> {
  return Number(/^weir_log_bytes (\d+)/m.exec(await metricsOf(broker))?.[1]);
}
