import { mkdtempSync, rmSync } from "node:fs";
import { devNull, tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync, type IPublishPacket, type MqttClient } from "mqtt";
import { afterAll, describe, expect, test } from "vitest";
import { type Broker, createBroker, loadConfig } from "../index.ts";

const adminToken = "the-admin-token-of-the-replay-tests-0123456789";
const folder = mkdtempSync(join(tmpdir(), "weir-replay-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const histories = [{ name: "data", filter: "data/#", maxAge: 3_600 }];

interface RestAnswer {
  readonly status: number;
  readonly body: {
    readonly items: readonly {
      readonly payload: string;
      readonly position: string;
      readonly userProperties: unknown;
    }[];
    readonly next?: string;
  };
}

class Served {
  readonly mqttUrl: string;
  readonly restUrl: string;
  readonly #broker: Broker;
  readonly #clients: MqttClient[] = [];

  constructor(broker: Broker, mqttPort: number, httpPort: number) {
    this.#broker = broker;
    this.mqttUrl = `mqtt://127.0.0.1:${mqttPort}`;
    this.restUrl = `http://127.0.0.1:${httpPort}/api/v1`;
  }

  async connect(options: object = {}): Promise<MqttClient> {
    const client = await connectAsync(this.mqttUrl, { protocolVersion: 5, reconnectPeriod: 0, ...options });
    this.#clients.push(client);
    return client;
  }

  async rest(method: string, path: string, body?: object): Promise<RestAnswer> {
    const answer = await fetch(`${this.restUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}` },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: JSON.parse(text || "{}") as RestAnswer["body"] };
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.end(true);
    await this.#broker.close();
  }
}

async function serve(engine: string, data: string): Promise<Served> {
  const values = { engine, data, histories, "mqtt.port": 0, "http.port": 0, "anonymous.allow": "loopback" };
  const flags = Object.entries(values).map(([path, value]) => ({ path, flag: `--${path}`, value }));
  const broker = createBroker(loadConfig({ file: devNull, flags }), {
    adminToken,
    logStream: { write: () => {} },
  });
  const { addresses } = await broker.start();
  return new Served(broker, addresses.mqtt.port, addresses.http.port);
}

/** What has come on a client, in order. */
class Inbox {
  readonly packets: IPublishPacket[] = [];
  readonly #waiting: { count: number; resolve: () => void }[] = [];

  constructor(client: MqttClient) {
    client.on("message", (_topic, _payload, packet) => {
      this.packets.push(packet);
      for (const { count, resolve } of this.#waiting) if (this.packets.length >= count) resolve();
    });
  }

  get texts(): string[] {
    return this.packets.map(({ payload }) => String(payload));
  }

  async until(count: number): Promise<void> {
    if (this.packets.length >= count) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ count, resolve });
    await promise;
  }
}

function positionOf({ properties }: IPublishPacket): string {
  return String(properties?.userProperties?.["position"]);
}

async function subscribe(
  client: MqttClient,
  filter: string,
  userProperties: Record<string, string>,
  qos: 0 | 1 | 2 = 1,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  client.subscribe(filter, { qos, properties: { userProperties } }, (error, _granted, packet) => {
    if (packet) resolve(String(packet.properties?.userProperties?.["replay"]));
    else reject(error ?? new Error("no SUBACK"));
  });
  return promise;
}

describe.each(["memory", "embedded"])("MQTT.js replays a history of the %s engine", (engine) => {
  let runs = 0;
  const start = (): Promise<Served> => serve(engine, join(folder, `${engine}-${(runs += 1)}`));

  test("and then goes live, under concurrent publishing: every message once, in order", async () => {
    const served = await start();
    const publishers = await Promise.all([0, 1, 2].map(() => served.connect()));
    const count = 1_500;
    const publishAll = publishers.map(async (publisher, lane) => {
      const all: Promise<unknown>[] = [];
      for (let number = 0; number < count; number += 1) {
        const qos = (number % 3) as 0 | 1 | 2;
        const published = publisher.publishAsync(`data/${lane}`, `${lane}.${number}`, { qos });
        all.push(published);
        if (number % 20 === 0) await published;
      }
      await Promise.all(all);
    });
    const readers = await Promise.all([0, 1, 2].map(() => served.connect()));
    const inboxes = readers.map((reader) => new Inbox(reader));
    for (const [index, reader] of readers.entries()) {
      await underWay(publishers, index);
      // MQTT.js gives QoS 2 to the application at PUBREL, behind what came later
      await subscribe(reader, "data/#", { since: "-10m", position: "true" }, index === 0 ? 0 : 1);
    }
    await Promise.all(publishAll);
    for (const inbox of inboxes) {
      await inbox.until(3 * count);
      for (const lane of [0, 1, 2]) {
        const numbers = inbox.texts
          .filter((text) => text.startsWith(`${lane}.`))
          .map((text) => Number(text.slice(2)));
        expect(numbers).toEqual(Array.from({ length: count }, (_, number) => number));
      }
      expect(new Set(inbox.packets.map(positionOf)).size).toBe(3 * count);
    }
    await served.close();
  });

  test("from the position of the last message that it had, as an application that reconnects does", async () => {
    const served = await start();
    const publisher = await served.connect();
    const first = await served.connect();
    const inbox = new Inbox(first);
    await subscribe(first, "data/+", { position: "true" }, 0);
    for (let number = 0; number < 10; number += 1)
      await publisher.publishAsync("data/a", String(number), { qos: 1 });
    await inbox.until(10);
    const position = positionOf(inbox.packets[6]!);
    first.end(true);
    for (let number = 10; number < 20; number += 1) await publisher.publishAsync("data/a", String(number));
    await publisher.publishAsync("data/a", "20", { qos: 1 });
    const second = await served.connect();
    const rest = new Inbox(second);
    expect(await subscribe(second, "data/+", { since: position }, 0)).toBe(`from ${position}`);
    await rest.until(14);
    expect(rest.texts).toEqual(Array.from({ length: 14 }, (_, index) => String(index + 7)));
    await served.close();
  });

  test("of REST: PUT puts a history in force, its messages are read by pages, DELETE ends it", async () => {
    const served = await start();
    expect(
      await served.rest("PUT", "/histories/news", { filter: "news/#", maxAge: 60, verifiedPublisher: true }),
    ).toMatchObject({
      status: 201,
      body: { name: "news", filter: "news/#", maxAge: 60, maxBytes: 1_073_741_824, verifiedPublisher: true },
    });
    expect(await served.rest("PUT", "/histories/data", { filter: "x" })).toMatchObject({ status: 409 });
    expect(await served.rest("PUT", "/histories/bad", { filter: "a/#/b" })).toMatchObject({ status: 400 });
    const publisher = await served.connect({ clientId: "p" });
    const userProperties = { publisher: "mallory", a: "b" };
    for (const text of ["1", "2", "3"])
      await publisher.publishAsync(`news/${text}`, text, { qos: 1, properties: { userProperties } });
    const page = await served.rest("GET", "/histories/news/messages?since=-1m&limit=2");
    expect(page.body.items.map(({ payload }) => payload)).toEqual(["1", "2"]);
    expect(page.body.items[0]?.userProperties).toEqual([
      ["a", "b"],
      ["publisher", expect.any(String)],
      ["publisher-realm", expect.any(String)],
      ["publisher-client", "p"],
    ]);
    const rest = await served.rest("GET", `/histories/news/messages?limit=2&cursor=${page.body.next}`);
    expect(rest.body).toMatchObject({ items: [{ payload: "3", topic: "news/3" }], truncated: false });
    expect(rest.body.next).toBeUndefined();
    const some = await served.rest("GET", "/histories/news/messages?filter=%2B/2");
    expect(some.body.items).toMatchObject([{ payload: "2" }]);
    expect(await served.rest("GET", "/histories/news/messages?since=yesterday")).toMatchObject({
      status: 400,
    });
    expect(await served.rest("DELETE", "/histories/news")).toMatchObject({ status: 204 });
    expect(await served.rest("GET", "/histories/news/messages")).toMatchObject({ status: 404 });
    expect(await served.rest("GET", "/histories/data/messages")).toMatchObject({ status: 200 });
    await served.close();
  });
});

/** A subscriber comes while its publisher is at it. */
async function underWay(publishers: readonly MqttClient[], index: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let acknowledged = 0;
  publishers[index]!.on("packetreceive", ({ cmd }) => {
    if (cmd === "puback" && (acknowledged += 1) === 20) resolve();
  });
  await promise;
}

test("a restart keeps a history, its positions and how far a persistent session's replay has come", async () => {
  const data = join(folder, "restarted");
  const first = await serve("embedded", data);
  const publisher = await first.connect();
  for (let number = 0; number < 50; number += 1)
    await publisher.publishAsync("data/a", String(number), { qos: 1 });
  const session = {
    clientId: "reader",
    clean: false,
    properties: { sessionExpiryInterval: 3_600, receiveMaximum: 5 },
  };
  const before = await first.connect({ ...session });
  const inbox = new Inbox(before);
  before.handleMessage = () => {}; // nothing is acknowledged
  await subscribe(before, "data/#", { since: "-1h", position: "true" });
  await inbox.until(1);
  before.end(true);
  const { body } = await first.rest("GET", "/histories/data/messages?limit=1");
  await publisher.publishAsync("data/a", "50", { qos: 1 });
  await first.close();
  const second = await serve("embedded", data);
  const again = await second.rest("GET", "/histories/data/messages?limit=1000");
  expect(again.body.items).toHaveLength(51);
  expect(again.body.items[0]?.position).toBe(body.items[0]?.position);
  const after = await second.connect({ clientId: "reader", clean: false, properties: session.properties });
  const rest = new Inbox(after);
  await rest.until(51);
  expect([...new Set(rest.texts)]).toEqual(Array.from({ length: 51 }, (_, number) => String(number)));
  expect(rest.packets.map(positionOf)).toEqual(again.body.items.map(({ position }) => position));
  await second.close();
});
