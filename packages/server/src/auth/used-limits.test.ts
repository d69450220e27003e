import { type BrokerFixture, FakeClock, type MqttTestClient, startBroker, textOf } from "@weir/testkit";
import { afterEach, describe, expect, test } from "vitest";
import { MqttJsLibrary } from "../../testing/real-clients/mqtt-js-library.ts";

const everything = [{ actions: ["publish", "subscribe"], topic: "#" }];

interface Made {
  readonly id: string;
  readonly key: string;
}

let broker: BrokerFixture;
let clock: FakeClock;

async function start(limits: object = {}): Promise<void> {
  clock = new FakeClock({ soon: "immediate" });
  broker = await startBroker({ clock, limits, anonymous: { allow: "nobody" } });
}

async function token(limits: object, declaration: object = {}, query = ""): Promise<Made> {
  const asked = { acl: everything, ttl: 3_600, limits, ...declaration };
  return (await broker.rest("POST", `/tokens${query}`, asked)) as Made;
}

async function connackOf(key: string, options: object = {}): Promise<number> {
  const client = await broker.open({ password: key, username: "any", ...options });
  return (await client.connect()).reasonCode;
}

/** What the metric of a bound says. */
async function reached(limit: string): Promise<number> {
  const { port } = broker.addresses.http;
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(new RegExp(`weir_limit_reached_total\\{limit="${limit}"\\} (\\d+)`).exec(text)?.[1]);
}

/** A subscriber to everything, and a publisher of the token's. */
async function pair(key: string, options: object = {}): Promise<[MqttTestClient, MqttTestClient]> {
  const reader = await broker.connect({ password: (await token({})).key, clientId: "reader" });
  await reader.subscribe("#");
  return [
    reader,
    await broker.connect({ password: key, clientId: "publisher", username: "any", ...options }),
  ];
}

afterEach(() => broker.close());

describe("limits.connections", () => {
  test("0x97 (3.1.1: 0x03) at CONNECT for one more of the token; a reconnect takes the old one's place", async () => {
    broker = await startBroker({ anonymous: { allow: "nobody" } });
    const { key } = await token({ connections: 2 });
    await broker.connect({ password: key, clientId: "a" });
    const b = await broker.connect({ password: key, clientId: "b" });
    expect(await connackOf(key, { clientId: "c" })).toBe(0x97);
    expect(await connackOf(key, { clientId: "c", version: 4 })).toBe(0x03);
    const again = await broker.connect({ password: key, clientId: "b" });
    expect((await b.closed).disconnect).toMatchObject({ reasonCode: 0x8e });
    await again.disconnect();
    expect(await connackOf(key, { clientId: "c" })).toBe(0);
    expect(await reached("limits.connections")).toBe(2);
  });

  test("of the tenant: all its tokens together, changed while they are connected", async () => {
    await start();
    await broker.rest("PUT", "/tenants/acme", { limits: { connections: 1 } });
    const [one, other] = [await token({}, {}, "?tenant=acme"), await token({}, {}, "?tenant=acme")];
    await broker.connect({ password: one.key, clientId: "a" });
    expect(await connackOf(other.key, { clientId: "b" })).toBe(0x97);
    expect(await connackOf((await token({})).key, { clientId: "b" })).toBe(0);
    await broker.rest("PUT", "/tenants/acme", { limits: { connections: 2 } });
    expect(await connackOf(other.key, { clientId: "b" })).toBe(0);
  });
});

describe("limits.publishRate", () => {
  test("back-pressure: the connection is read no further until the next message may come", async () => {
    await start();
    const { key } = await token({ publishRate: 5 });
    const [reader, publisher] = await pair(key);
    publisher.send(...Array.from({ length: 12 }, (_, i) => publisher.publishPacket("t", String(i))));
    const read = async (count: number): Promise<string[]> =>
      (await reader.receiveAll("publish", count)).map((message) => textOf(message));
    expect(await read(5)).toEqual(["0", "1", "2", "3", "4"]);
    await reader.expectSilence();
    clock.advance(1_000);
    expect(await read(5)).toEqual(["5", "6", "7", "8", "9"]);
    await reader.expectSilence();
    clock.advance(1_000);
    expect(await read(2)).toEqual(["10", "11"]);
    expect(await reached("limits.publishRate")).toBeGreaterThan(0);
  });

  test("refuse: 0x97 in PUBACK and PUBREC, QoS 0 goes nowhere; 3.1.1 waits", async () => {
    await start({ overRate: "refuse" });
    const { key } = await token({ publishRate: 3 });
    const [reader, publisher] = await pair(key);
    await publisher.publish("t", "0", { qos: 1 });
    await publisher.publish("t", "1", { qos: 2 });
    await publisher.publish("t", "2");
    expect(await publisher.publish("t", "3", { qos: 1 })).toMatchObject({ reasonCode: 0x97 });
    expect(await publisher.publish("t", "4", { qos: 2 })).toMatchObject({ reasonCode: 0x97 });
    await publisher.publish("t", "5");
    await publisher.expectSilence();
    expect((await reader.receiveAll("publish", 3)).map((message) => textOf(message))).toEqual([
      "0",
      "1",
      "2",
    ]);
    await reader.expectSilence();
    clock.advance(1_000);
    expect(await publisher.publish("t", "6", { qos: 1 })).toMatchObject({ reasonCode: 0 });
    expect(textOf(await reader.receiveMessage())).toBe("6");
    const old = await broker.connect({ password: key, username: "any", clientId: "old", version: 4 });
    for (const payload of ["7", "8"]) await old.publish("t", payload, { qos: 1 });
    old.send(old.publishPacket("t", "9", { qos: 1 }));
    expect((await reader.receiveAll("publish", 2)).map((message) => textOf(message))).toEqual(["7", "8"]);
    await reader.expectSilence();
    clock.advance(1_000);
    expect(textOf(await reader.receiveMessage())).toBe("9");
  });

  test("disconnect: 0x96", async () => {
    await start({ overRate: "disconnect" });
    const { key } = await token({ publishRate: 1 });
    const [, publisher] = await pair(key);
    await publisher.publish("t", "0", { qos: 1 });
    publisher.send(publisher.publishPacket("t", "1"));
    expect((await publisher.closed).disconnect).toMatchObject({ reasonCode: 0x96 });
  });

  test("two connections of a token share it, and a change of the token counts at once", async () => {
    await start({ overRate: "refuse" });
    const { id, key } = await token({ publishRate: 2 });
    const [, a] = await pair(key);
    const b = await broker.connect({ password: key, clientId: "b" });
    await a.publish("t", "0", { qos: 1 });
    await b.publish("t", "1", { qos: 1 });
    expect(await a.publish("t", "2", { qos: 1 })).toMatchObject({ reasonCode: 0x97 });
    await broker.rest("PATCH", `/tokens/${id}`, { limits: null });
    for (let i = 0; i < 10; i++) expect((await a.publish("t", "3", { qos: 1 }))?.reasonCode).not.toBe(0x97);
    await broker.rest("PATCH", `/tokens/${id}`, { limits: { publishBytesRate: 10 } });
    await a.publish("t", "x".repeat(30), { qos: 1 });
    expect(await b.publish("t", "x", { qos: 1 })).toMatchObject({ reasonCode: 0x97 });
    clock.advance(2_000);
    expect(await b.publish("t", "x", { qos: 1 })).toMatchObject({ reasonCode: 0x97 });
    clock.advance(1_000);
    expect((await b.publish("t", "x", { qos: 1 }))?.reasonCode).not.toBe(0x97);
  });

  test("of the tenant: all its tokens and REST together; 429 and Retry-After over REST", async () => {
    await start({ overRate: "refuse" });
    await broker.rest("PUT", "/tenants/acme", { limits: { publishRate: 2 } });
    const [one, other] = [
      await token({}, {}, "?tenant=acme"),
      await token({}, { scopes: ["messages"] }, "?tenant=acme"),
    ];
    const client = await broker.connect({ password: one.key, clientId: "a" });
    await client.publish("t", "0", { qos: 1 });
    const message = { topic: "t", payload: "1" };
    expect(await broker.restAs(other.key, "POST", "/messages", message)).toMatchObject({ status: 200 });
    expect(await client.publish("t", "2", { qos: 1 })).toMatchObject({ reasonCode: 0x97 });
    const { port } = broker.addresses.http;
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/messages`, {
      method: "POST",
      headers: { authorization: `Bearer ${other.key}` },
      body: JSON.stringify(message),
    });
    expect(answer.status).toBe(429);
    expect(answer.headers.get("retry-after")).toBe("1");
    await broker.rest("PUT", "/tenants/acme", {});
    expect((await client.publish("t", "3", { qos: 1 }))?.reasonCode).not.toBe(0x97);
  });

  test("MQTT.js with back-pressure gets everything through, as slowly as it may", async () => {
    broker = await startBroker({ anonymous: { allow: "nobody" } });
    const library = new MqttJsLibrary();
    const { key } = await token({ publishRate: 50 });
    const { port } = broker.addresses.mqtt;
    const to = { over: "tcp", port, ca: "", caFile: "" } as const;
    const client = await library.connect(to, { version: 5, clientId: "c", password: key });
    await client.subscribe("#");
    const began = performance.now();
    await Promise.all(Array.from({ length: 100 }, (_, i) => client.publish("t", String(i), { qos: 1 })));
    expect(performance.now() - began).toBeGreaterThan(900);
    expect(await client.inbox.take(100)).toHaveLength(100);
    await client.disconnect();
    await library.close();
  });
});

describe("limits of a session", () => {
  test("subscriptions: 0x97 in SUBACK for one more; replacing one is always possible", async () => {
    await start();
    const { key } = await token({ subscriptions: 2 });
    const client = await broker.connect({ password: key });
    const { reasonCodes } = await client.subscribe(["a", "b", "c"]);
    expect(reasonCodes).toEqual([0, 0, 0x97]);
    expect((await client.subscribe([{ topicFilter: "a", qos: 1 }])).reasonCodes).toEqual([1]);
    expect(await reached("limits.subscriptions")).toBe(1);
  });

  test("sessionExpiry: told in CONNACK, and a tenant's counts for each of its tokens", async () => {
    await start();
    const { key } = await token({ sessionExpiry: 60 });
    const asks = { properties: { sessionExpiryInterval: 3_600 } };
    const told = async (password: string): Promise<unknown> =>
      (await broker.connect({ password, ...asks })).connack?.properties?.sessionExpiryInterval;
    expect(await told(key)).toBe(60);
    await broker.rest("PUT", "/tenants/acme", { limits: { sessionExpiry: 30 } });
    expect(await told((await token({ sessionExpiry: 60 }, {}, "?tenant=acme")).key)).toBe(30);
    const free = await token({}, {}, "?tenant=acme");
    expect(await told(free.key)).toBe(30);
  });

  test("queuedMessages of a tenant reach its sessions, live", async () => {
    await start();
    await broker.rest("PUT", "/tenants/acme", {});
    const { key } = await token({}, {}, "?tenant=acme");
    const session = { clientId: "s", password: key, properties: { sessionExpiryInterval: 3_600 } };
    const client = await broker.connect(session);
    await client.subscribe([{ topicFilter: "t", qos: 1 }]);
    await client.disconnect();
    await broker.rest("PUT", "/tenants/acme", { limits: { queuedMessages: 2 } });
    const publisher = await broker.connect({ password: key, clientId: "p" });
    for (let i = 0; i < 5; i++) await publisher.publish("t", String(i), { qos: 1 });
    const back = await broker.connect({ ...session, cleanStart: false });
    expect((await back.receiveAll("publish", 2)).map((message) => textOf(message))).toEqual(["3", "4"]);
  });

  test("sessions, retained messages and histories of a tenant are counted", async () => {
    await start();
    const limits = { sessions: 1, retainedMessages: 1, histories: 0 };
    await broker.rest("PUT", "/tenants/acme", { limits });
    const { key } = await token({}, {}, "?tenant=acme");
    const lasting = { properties: { sessionExpiryInterval: 60 } };
    const client = await broker.connect({ password: key, clientId: "a", ...lasting });
    expect(await connackOf(key, { clientId: "b", ...lasting })).toBe(0x97);
    expect(await connackOf(key, { clientId: "b" })).toBe(0);
    await client.publish("r/1", "x", { qos: 1, retain: true });
    expect(await client.publish("r/2", "x", { qos: 1, retain: true })).toMatchObject({ reasonCode: 0x97 });
    await expect(broker.rest("PUT", "/histories/h?tenant=acme", { filter: "#" })).rejects.toThrow("409");
  });
});

describe("what a tenant decides for its clients", () => {
  const acl = [
    { actions: ["publish", "subscribe"], topic: "data/u1/#" },
    { effect: "deny", actions: ["subscribe"], topic: "data/u1/secret" },
  ];

  test('wildcards "refuse": a filter wider than the ACL gets 0x87 (3.1.1: 0x80), over REST acl', async () => {
    await start();
    await broker.rest("PUT", "/tenants/acme", { wildcards: "refuse" });
    const { key } = await token({}, { acl, scopes: ["sessions"] }, "?tenant=acme");
    const wide = ["#", "data/+/x", "data/u1/#", "$share/g/data/#"];
    const client = await broker.connect({ password: key, clientId: "a" });
    expect((await client.subscribe([...wide, "data/u1/a/#"])).reasonCodes).toEqual([
      0x87, 0x87, 0x87, 0x87, 0,
    ]);
    const old = await broker.connect({ password: key, clientId: "o", username: "any", version: 4 });
    expect((await old.subscribe(["#", "data/u1/x"])).reasonCodes).toEqual([0x80, 0]);
    const { items } = (await broker.rest("GET", "/sessions?tenant=acme&clientId=a")) as { items: Made[] };
    const path = `/sessions/${items[0]?.id}/subscriptions?tenant=acme`;
    await expect(broker.rest("PUT", path, { subscriptions: [{ filter: "#" }] })).rejects.toThrow("403");
    await broker.rest("PUT", "/tenants/acme", {});
    expect((await client.subscribe("#")).reasonCodes).toEqual([0]);
  });

  test('refusedPublish "disconnect": 0x87 in DISCONNECT at every QoS; 3.1.1 is closed', async () => {
    await start();
    await broker.rest("PUT", "/tenants/acme", { refusedPublish: "disconnect" });
    const { key } = await token({}, { acl }, "?tenant=acme");
    for (const qos of [0, 1, 2] as const) {
      const client = await broker.connect({ password: key, clientId: `c${qos}` });
      client.send(client.publishPacket("forbidden", "x", { qos }));
      expect((await client.closed).disconnect).toMatchObject({ reasonCode: 0x87 });
    }
    const old = await broker.connect({ password: key, clientId: "o", username: "any", version: 4 });
    old.send(old.publishPacket("forbidden", "x", { qos: 1 }));
    expect((await old.closed).disconnect).toBeUndefined();
  });

  test("verifiedPublisher: delivered messages say who published; a client's own words for that are removed", async () => {
    await start();
    await broker.rest("PUT", "/tenants/acme", { verifiedPublisher: true });
    const { key } = await token(
      {},
      { subject: "alice", acl: everything, scopes: ["messages"] },
      "?tenant=acme",
    );
    const reader = await broker.connect({ password: key, clientId: "reader" });
    await reader.subscribe([{ topicFilter: "#", qos: 2 }]);
    const publisher = await broker.connect({ password: key, clientId: "phone" });
    const userProperties = [
      ["publisher", "mallory"],
      ["a", "1"],
      ["publisher-client", "other"],
    ] as const;
    const verified = [
      ["publisher", "alice"],
      ["publisher-realm", "token"],
      ["publisher-client", "phone"],
    ];
    for (const qos of [0, 1, 2] as const) {
      await publisher.publish("t", "x", { qos, retain: qos === 1, properties: { userProperties } });
      const { properties } = await reader.receiveMessage();
      expect(properties?.userProperties).toEqual([["a", "1"], ...verified]);
    }
    await broker.restAs(key, "POST", "/messages", { topic: "t", payload: "x", userProperties });
    const { properties } = await reader.receiveMessage();
    expect(properties?.userProperties).toEqual([["a", "1"], ...verified.slice(0, 2)]);
    await broker.rest("PUT", "/tenants/acme", {});
    await publisher.publish("t", "x", { properties: { userProperties } });
    expect((await reader.receiveMessage()).properties?.userProperties).toEqual(userProperties);
    await publisher.disconnect();
  });
});
