import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createWeirClient } from "@weir/api";
import { type BrokerFixture, describeWith, type MqttTestClient, startBroker, textOf } from "@weir/testkit";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { MosquittoRun } from "../../testing/real-clients/mosquitto-run.ts";
import { MqttJsLibrary } from "../../testing/real-clients/mqtt-js-library.ts";

const everything = [{ actions: ["publish", "subscribe", "replay"], topic: "#" }];
const SESSION = { sessionExpiryInterval: 3_600 };

interface Made {
  readonly id: string;
  readonly key: string;
}

let broker: BrokerFixture;
const folders: string[] = [];
let data: string | undefined;

function put(name: string, settings: object = {}): Promise<unknown> {
  return broker.rest("PUT", `/tenants/${name}`, settings);
}

async function token(tenant: string, declaration: object = {}): Promise<Made> {
  const asked = { subject: "alice", acl: everything, ttl: 3_600, ...declaration };
  return (await broker.rest("POST", `/tokens?tenant=${tenant}`, asked)) as Made;
}

async function connect(key: string, options: object = {}): Promise<MqttTestClient> {
  return broker.connect({ clientId: "same", password: key, ...options });
}

async function connackOf(key: string, options: object = {}): Promise<number> {
  const client = await broker.open({ clientId: "same", password: key, ...options });
  return (await client.connect()).reasonCode;
}

async function restart(): Promise<void> {
  await broker.close();
  broker = await startBroker({ anonymous: { allow: "nobody" }, ...(data !== undefined && { data }) });
}

async function itemsOf(path: string): Promise<readonly { readonly [name: string]: unknown }[]> {
  return ((await broker.rest("GET", path)) as { items: { [name: string]: unknown }[] }).items;
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

describe.each(["memory", "embedded"])("tenants on the %s engine", (engine) => {
  beforeEach(async () => {
    data = engine === "memory" ? undefined : mkdtempSync(join(tmpdir(), "weir-tenants-"));
    if (data !== undefined) folders.push(data);
    broker = await startBroker({ anonymous: { allow: "nobody" }, ...(data !== undefined && { data }) });
    await put("acme");
  });
  afterEach(() => broker.close());

  test("two tenants with the same client id, subject and topics never meet", async () => {
    const [own, other] = [await token("default"), await token("acme")];
    const [a, b] = [
      await connect(own.key, { properties: SESSION }),
      await connect(other.key, { properties: SESSION }),
    ];
    await a.subscribe([{ topicFilter: "#", qos: 1 }]);
    await b.subscribe([{ topicFilter: "#", qos: 1 }]);
    await b.publish("data/1", "acme's", { qos: 1, retain: true });
    expect(textOf(await b.receiveMessage())).toBe("acme's");
    await a.publish("data/1", "default's", { qos: 1, retain: true });
    expect(textOf(await a.receiveMessage())).toBe("default's");
    await a.expectSilence();
    await b.expectSilence();
    await a.disconnect();
    await b.publish("data/2", "for acme", { qos: 1 });
    expect(textOf(await b.receiveMessage())).toBe("for acme");
    const back = await connect(own.key, { cleanStart: false, properties: SESSION });
    expect(back.connack).toMatchObject({ sessionPresent: true });
    await back.expectSilence();
    expect(await itemsOf("/retained?filter=%23")).toMatchObject([{ payload: "default's" }]);
    expect(await itemsOf("/sessions?tenant=acme")).toMatchObject([{ tenant: "acme", clientId: "same" }]);
  });

  test("a token names no other tenant, and what it may do ends at its own", async () => {
    const { key } = await token("acme", { scopes: ["admin", "messages"] });
    expect(await broker.restAs(key, "GET", "/sessions?tenant=default")).toMatchObject({ status: 403 });
    expect(await broker.restAs(key, "GET", "/tenants")).toMatchObject({ status: 403 });
    expect(await broker.restAs(key, "GET", "/tokens?tenant=acme")).toMatchObject({
      status: 200,
      body: { items: [{ tenant: "acme" }] },
    });
    expect(await broker.restAs(key, "POST", "/tokens", { tenant: "default" })).toMatchObject({
      status: 400,
    });
  });

  test("nobody of another tenant is an admin of the system, whatever scopes its token has", async () => {
    const { key } = await token("acme", { scopes: ["admin", "tenants"] });
    expect(await broker.restAs(key, "PUT", "/tenants/mine", {})).toMatchObject({ status: 403 });
    expect(await broker.restAs(key, "GET", "/tokens?tenant=default")).toMatchObject({ status: 403 });
  });

  test("a deleted tenant's connections end (0x98), and a re-created name inherits nothing", async () => {
    const { key } = await token("acme");
    await broker.rest("PUT", "/histories/all?tenant=acme", { filter: "#" });
    const client = await connect(key, { properties: SESSION });
    await client.subscribe("data/#");
    await client.publish("data/1", "kept", { qos: 1, retain: true });
    const before = (await broker.rest("GET", "/tenants/acme")) as { id: string };
    await broker.rest("DELETE", "/tenants/acme");
    expect((await client.closed).disconnect).toMatchObject({ reasonCode: 0x98 });
    expect(await connackOf(key)).toBe(0x86);
    const after = (await put("acme")) as { id: string };
    expect(after.id).not.toBe(before.id);
    for (const path of ["tokens", "sessions", "histories", "audit"])
      expect(await itemsOf(`/${path}?tenant=acme`)).toEqual([]);
    const anew = await connect((await token("acme")).key, { cleanStart: false, properties: SESSION });
    expect(anew.connack).toMatchObject({ sessionPresent: false });
    await anew.subscribe("data/#");
    await anew.expectSilence();
    expect(await connackOf(key)).toBe(0x86);
  });

  test("a protocol that is switched off takes nobody in, and open connections of it end", async () => {
    const { key } = await token("acme", { scopes: ["admin"] });
    const [overTcp, overWs] = [await connect(key), await connect(key, { clientId: "w", over: "ws" })];
    await put("acme", { protocols: { websocket: false, rest: false } });
    expect((await overWs.closed).disconnect).toMatchObject({ reasonCode: 0x98 });
    await overTcp.expectSilence();
    expect(await connackOf(key, { clientId: "w", over: "ws" })).toBe(0x87);
    expect(await broker.restAs(key, "GET", "/sessions")).toMatchObject({
      status: 403,
      body: { code: "scope" },
    });
    await put("acme", { protocols: { mqtt: false } });
    await overTcp.closed;
    expect(await connackOf(key, { version: 4, username: "any" })).toBe(0x05);
    expect(await connackOf(key, { clientId: "w", over: "ws" })).toBe(0);
    expect(await broker.restAs(key, "GET", "/sessions")).toMatchObject({ status: 200 });
  });

  test("the tenant default is always there, with REST", async () => {
    await expect(broker.rest("DELETE", "/tenants/default")).rejects.toThrow("409");
    await expect(put("default", { protocols: { rest: false } })).rejects.toThrow("400");
    expect((await itemsOf("/tenants")).map(({ name }) => name)).toEqual(["acme", "default"]);
  });

  test("$SYS tells a tenant's own numbers to those whose entries name it", async () => {
    const { key } = await token("acme", {
      acl: [{ actions: ["subscribe"], topic: "$SYS/#" }],
    });
    const client = await connect(key);
    await client.subscribe("$SYS/broker/clients/#");
    const told = new Map<string, string>();
    for (const message of await client.receiveAll("publish", 5))
      told.set(message.topic.replace("$SYS/broker/clients/", ""), textOf(message));
    expect([...told.keys()].sort()).toEqual(["connected", "disconnected", "expired", "maximum", "total"]);
    const blind = await connect((await token("acme")).key, { clientId: "blind" });
    const { reasonCodes } = await blind.subscribe(["$SYS/#", "#"]);
    expect(reasonCodes[0]).toBe(0x87);
    await blind.expectSilence();
  });

  test("metrics show each tenant apart, and its own credentials only itself", async () => {
    const { key } = await token("acme", { scopes: ["metrics"] });
    const client = await connect(key);
    await client.publish("data/1", "x", { qos: 1 });
    const { port } = broker.addresses.http;
    const text = async (headers: Record<string, string>): Promise<string> =>
      (await fetch(`http://127.0.0.1:${port}/metrics`, { headers })).text();
    const whole = await text({});
    expect(whole).toContain('weir_tenant_messages_received_total{tenant="acme",qos="1"} 1');
    expect(whole).toContain('weir_messages_received_total{qos="1"} 1');
    const own = await text({ authorization: `Bearer ${key}`, "x-forwarded-for": "192.0.2.1" });
    expect(own).toContain('weir_tenant_connections{tenant="acme"} 1');
    expect(own).not.toContain("default");
    expect(own).not.toContain("weir_connections");
  });
});

describe("@weir/api for another tenant", () => {
  beforeEach(async () => {
    broker = await startBroker({ anonymous: { allow: "nobody" } });
  });
  afterEach(() => broker.close());

  test("names it in every call", async () => {
    const system = await token("default", { scopes: ["admin", "tenants"] });
    const url = `http://127.0.0.1:${broker.addresses.http.port}`;
    const { tenants } = createWeirClient({ url, token: system.key });
    expect(await tenants.put("acme", { wildcards: "refuse" })).toMatchObject({ name: "acme" });
    const client = createWeirClient({ url, token: system.key, tenant: "acme" });
    const { tenant } = await client.tokens.create({ name: "admin of acme", scopes: ["admin"] });
    expect(tenant).toBe("acme");
    expect((await client.tokens.list()).items).toHaveLength(1);
    await tenants.delete("acme");
    await expect(client.tokens.list()).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("a restart of the embedded engine", () => {
  beforeEach(async () => {
    data = mkdtempSync(join(tmpdir(), "weir-tenants-"));
    folders.push(data);
    broker = await startBroker({ anonymous: { allow: "nobody" }, data });
  });
  afterEach(() => broker.close());

  test("keeps tenants with their settings, sessions, queues, retained messages and tokens apart", async () => {
    await put("acme", { wildcards: "refuse", limits: { subscriptions: 7 } });
    const [own, other] = [await token("default"), await token("acme")];
    for (const { key } of [own, other]) {
      const client = await connect(key, { properties: SESSION });
      await client.subscribe([{ topicFilter: "#", qos: 1 }]);
      await client.disconnect();
    }
    const publisher = await connect(other.key, { clientId: "publisher" });
    await publisher.publish("data/1", "acme's", { qos: 1, retain: true });
    await restart();
    expect(await broker.rest("GET", "/tenants/acme")).toMatchObject({
      wildcards: "refuse",
      limits: { subscriptions: 7 },
    });
    const a = await connect(own.key, { cleanStart: false, properties: SESSION });
    expect(a.connack).toMatchObject({ sessionPresent: true });
    await a.expectSilence();
    const b = await connect(other.key, { cleanStart: false, properties: SESSION });
    expect(b.connack).toMatchObject({ sessionPresent: true });
    expect(textOf(await b.receiveMessage())).toBe("acme's");
    const reader = await connect(other.key, { clientId: "reader" });
    await reader.subscribe("data/1");
    expect((await reader.receiveMessage()).retain).toBe(true);
  });

  test("leaves nothing of a tenant that was deleted just before", async () => {
    const { id } = (await put("acme")) as { id: string };
    const isOnDisk = (): boolean =>
      readdirSync(data as string, { recursive: true }).some((path) => String(path).endsWith(id));
    const { key } = await token("acme");
    const client = await connect(key, { properties: SESSION });
    await client.publish("data/1", "kept", { qos: 1, retain: true });
    expect(isOnDisk()).toBe(true);
    await broker.rest("DELETE", "/tenants/acme");
    await restart();
    expect(await connackOf(key)).toBe(0x86);
    await expect.poll(isOnDisk).toBe(false);
    await put("acme");
    for (const path of ["tokens", "sessions"]) expect(await itemsOf(`/${path}?tenant=acme`)).toEqual([]);
  });
});

describe("real clients of two tenants", () => {
  const library = new MqttJsLibrary();
  beforeEach(async () => {
    broker = await startBroker({ anonymous: { allow: "nobody" } });
    await put("acme");
  });
  afterEach(async () => {
    await library.close();
    await broker.close();
  });

  test("MQTT.js over WebSocket and TCP hears its own tenant", async () => {
    const { mqtt, http } = broker.addresses;
    const to = { ca: "", caFile: "", over: "tcp", port: mqtt.port } as const;
    const own = { version: 5, clientId: "c", password: (await token("default")).key } as const;
    const other = { ...own, password: (await token("acme")).key };
    const a = await library.connect(to, own);
    const b = await library.connect({ ...to, over: "ws", port: http.port }, other);
    await Promise.all([a.subscribe("#", { qos: 1 }), b.subscribe("#", { qos: 1 })]);
    await a.publish("t", "from default", { qos: 1 });
    await b.publish("t", "from acme", { qos: 1 });
    expect((await a.inbox.take(1)).map(({ payload }) => payload.toString())).toEqual(["from default"]);
    expect((await b.inbox.take(1)).map(({ payload }) => payload.toString())).toEqual(["from acme"]);
    expect([a.inbox.all.length, b.inbox.all.length]).toEqual([1, 1]);
    await Promise.all([a.disconnect(), b.disconnect()]);
  });

  describeWith("mosquitto_sub", "mosquitto_sub", (mosquittoSub) => {
    test("hears its own tenant", async () => {
      const { key } = await token("acme");
      const to = `-h 127.0.0.1 -p ${broker.addresses.mqtt.port} -V mqttv311 -i same -u any -P ${key}`;
      const run = new MosquittoRun(mosquittoSub, `${to} -t # -C 1 -v -q 1 -W 20`.split(" "));
      await expect
        .poll(async () => (await itemsOf("/sessions?tenant=acme"))[0]?.["subscriptions"] ?? [])
        .toHaveLength(1);
      const stranger = await connect((await token("default")).key);
      await stranger.publish("t", "not for acme", { qos: 1 });
      const friend = await connect(key, { clientId: "friend" });
      await friend.publish("t", "for acme", { qos: 1 });
      expect(await run.lines()).toEqual(["t for acme"]);
    });
  });
});
