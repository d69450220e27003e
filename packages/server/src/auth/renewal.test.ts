import {
  type BrokerFixture,
  type ClientOptions,
  FakeClock,
  type MqttTestClient,
  startBroker,
  textOf,
} from "@weir/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

const read = (...topics: readonly string[]) => topics.map((topic) => ({ actions: ["subscribe"], topic }));
const both = (topic: string) => [{ actions: ["publish", "subscribe"], topic }];

interface Made {
  readonly id: string;
  readonly key: string;
}

let broker: BrokerFixture;
let users = 0;
let user: string;

beforeAll(async () => {
  broker = await startBroker({ anonymous: { allow: "nobody" } });
});
beforeEach(() => {
  user = `u${++users}`;
});
afterAll(() => broker.close());

async function make(declaration: object, at = broker): Promise<Made> {
  return (await at.rest("POST", "/tokens", { subject: user, ttl: 3_600, ...declaration })) as Made;
}

function connect(key: string, options: ClientOptions = {}): Promise<MqttTestClient> {
  return broker.connect({ password: key, clientId: user, ...options });
}

async function told(client: MqttTestClient): Promise<{ topic: string; content: unknown }> {
  const packet = await client.receive("publish");
  return { topic: packet.topic, content: JSON.parse(textOf(packet)) };
}

describe.each([0, 1, 2] as const)("PUBLISH of another credential to $client/auth at QoS %i", (qos) => {
  test("lets the connection go on with it: subscriptions stay, computed anew, and it says so", async () => {
    const client = await connect((await make({ acl: read("data/a/#") })).key);
    await client.subscribe("$client/#");
    await client.subscribe("data/#");
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const next = await make({ acl: read("data/b/#"), expiresAt });
    expect((await client.publish("$client/auth", next.key, { qos }))?.reasonCode ?? 0).toBe(0);
    expect(await told(client)).toEqual({ topic: "$client/renewed", content: { ok: true, expiresAt } });
    expect(await told(client)).toEqual({
      topic: "$client/acl",
      content: { subscriptions: [{ filter: "data/#", effective: ["data/b/#"] }] },
    });
    await broker.rest("POST", "/messages", { topic: "data/a/x", payload: "" });
    await broker.rest("POST", "/messages", { topic: "data/b/x", payload: "" });
    expect((await client.receive("publish")).topic).toBe("data/b/x");
    const { items } = (await broker.rest("GET", `/sessions?clientId=${user}`)) as { items: object[] };
    expect(items).toMatchObject([{ token: next.id, principalExpiresAt: expiresAt }]);
  });

  test.each([
    ["that is wrong", () => Promise.resolve("weir_nobody_x"), 0x87],
    ["that is empty", () => Promise.resolve(""), 0x87],
    ["of another identity", async () => (await make({ subject: `${user}-other` })).key, 0x87],
    ["for another client id", async () => (await make({ clientIds: ["x"] })).key, 0x87],
    ["for another network", async () => (await make({ networks: ["192.0.2.0/24"] })).key, 0x87],
    ["that is disabled", async () => (await make({ enabled: false })).key, 0x87],
  ])("%s is refused, and the connection goes on as it was", async (_, another, code) => {
    const first = await make({ acl: both("data/#") });
    const client = await connect(first.key);
    await client.subscribe("$client/renewed");
    await client.subscribe("data/#");
    const answer = await client.publish("$client/auth", await another(), { qos });
    if (qos > 0) expect(answer?.reasonCode).toBe(code);
    expect((await told(client)).content).toEqual({ ok: false, code });
    await client.publish("data/x", "");
    expect((await client.receive("publish")).topic).toBe("data/x");
    const { items } = (await broker.rest("GET", `/sessions?clientId=${user}`)) as { items: object[] };
    expect(items).toMatchObject([{ token: first.id }]);
  });
});

describe("a renewal", () => {
  test("by a client of 3.1.1 that is refused gets the normal acknowledgement, and $client/renewed says it", async () => {
    const client = await connect((await make({})).key, { version: 4, username: "x" });
    await client.subscribe("$client/renewed");
    for (const qos of [1, 2] as const)
      expect((await client.publish("$client/auth", "wrong", { qos }))?.reasonCode).toBe(0);
    expect((await told(client)).content).toEqual({ ok: false, code: 0x87 });
  });

  test("outlives the credential that it came after, and ends with its own", async () => {
    const [first, second] = [await make({}), await make({})];
    const client = await connect(first.key);
    await client.publish("$client/auth", second.key, { qos: 1 });
    await broker.rest("DELETE", `/tokens/${first.id}`);
    await client.expectSilence();
    await broker.rest("DELETE", `/tokens/${second.id}`);
    expect((await client.closed).disconnect?.reasonCode).toBe(0x98);
  });

  test("has its credential nowhere: no log line, no subscriber, no retained message", async () => {
    const spy = await broker.connect({
      password: await broker.token({ subject: `${user}-spy`, acl: [...read("#", "$client/#", "$SYS/#")] }),
    });
    await spy.subscribe("#");
    const client = await connect((await make({})).key);
    const { key } = await make({});
    for (const qos of [0, 1, 2] as const) await client.publish("$client/auth", key, { qos, retain: true });
    await client.publish("$client/auth", `${key}x`, { qos: 1, retain: true });
    await spy.expectSilence();
    expect(broker.log.join("")).not.toContain(key);
    const late = await broker.connect({
      password: await broker.token({ subject: `${user}-late`, acl: read("#", "$client/auth") }),
    });
    expect((await late.subscribe("$client/auth")).reasonCodes).toEqual([0x87]);
    await late.expectSilence();
  });

  test("of a connection over WebSocket does not count what came with its upgrade", async () => {
    const headers = { authorization: `Bearer ${(await make({})).key}` };
    const client = await broker.connect({ over: "ws", headers, clientId: user });
    expect((await client.publish("$client/auth", "wrong", { qos: 1 }))?.reasonCode).toBe(0x87);
    const { key } = await make({});
    expect((await client.publish("$client/auth", key, { qos: 1 }))?.reasonCode).toBe(0);
  });

  test("lets a will out only where the new rights allow it", async () => {
    const listener = await broker.connect({
      password: await broker.token({ subject: `${user}-l`, acl: read("will/#") }),
    });
    await listener.subscribe("will/#");
    const will = {
      topic: `will/${user}`,
      payload: Buffer.from(""),
      qos: 0,
      retain: false,
      properties: {},
    } as const;
    const client = await connect((await make({ acl: both("will/#") })).key, { will });
    await client.publish("$client/auth", (await make({ acl: [] })).key, { qos: 1 });
    await client.cut();
    await broker.disconnected(user);
    await listener.expectSilence();
  });

  test("by an anonymous client never succeeds: there is no credential of its identity", async () => {
    const open = await startBroker();
    const client = await open.connect();
    expect((await client.publish("$client/auth", "anything", { qos: 1 }))?.reasonCode).toBe(0x87);
    await open.close();
  });
});

describe("$client/…", () => {
  test("is subscribed to one by one, by + and by #, and by nobody else's share or wildcard", async () => {
    const client = await connect((await make({ acl: read("#", "$client/#") })).key);
    const { reasonCodes } = await client.subscribe([
      "$client/#",
      "$client/+",
      "$client/renewed",
      "$client/nothing",
      "$client",
      "$client/+/x",
      "$share/g/$client/renewed",
    ]);
    expect(reasonCodes).toEqual([0, 0, 0, 0x87, 0x87, 0x87, 0x87]);
    await client.publish("$client/auth", "wrong");
    expect((await told(client)).topic).toBe("$client/renewed");
    await client.expectSilence();
  });

  test("is not told to those who have not asked", async () => {
    const client = await connect((await make({ acl: read("#") })).key);
    await client.subscribe("#");
    await client.publish("$client/auth", "wrong", { qos: 1 });
    await client.expectSilence();
  });

  test("cannot be published to, except $client/auth, nor by REST, nor as a will", async () => {
    const everything = { acl: both("#"), scopes: ["messages"] };
    const { key } = await make({ acl: [...both("#"), ...both("$client/#")], scopes: ["messages"] });
    const client = await connect(key);
    for (const topic of ["$client/acl", "$client/renewed", "$client"])
      expect((await client.publish(topic, "", { qos: 1 }))?.reasonCode).toBe(0x87);
    for (const topic of ["$client/auth", "$client/acl"]) {
      const answer = await broker.restAs(key, "POST", "/messages", { topic, payload: "" });
      expect(answer.body["code"]).toBe("acl");
    }
    const will = {
      topic: "$client/auth",
      payload: Buffer.from(""),
      qos: 0,
      retain: false,
      properties: {},
    } as const;
    const willing = await broker.open({ password: (await make(everything)).key, will });
    expect((await willing.connect()).reasonCode).toBe(0x87);
  });
});

describe("$client/acl", () => {
  test("names at most 100 subscriptions at a time, those alone whose filters changed", async () => {
    const topics = (count: number) => read(...Array.from({ length: count }, (_, i) => `t/${i}`));
    const made = await make({ acl: [...topics(150), ...read("other")] });
    const client = await connect(made.key);
    await client.subscribe([...topics(150).map(({ topic }) => topic), "other", "$client/acl"]);
    const narrower = [...topics(10), { ...read("other")[0], maxQos: 0 }];
    await broker.rest("PATCH", `/tokens/${made.id}`, { acl: narrower });
    const notices = [await told(client), await told(client)].map(({ content }) => content) as {
      subscriptions: { filter: string; effective: string[] }[];
    }[];
    expect(notices.map(({ subscriptions }) => subscriptions.length)).toEqual([100, 40]);
    expect(notices[0]?.subscriptions[0]).toEqual({ filter: "t/10", effective: [] });
    await client.expectSilence();
  });
});

describe("$client/expiring", () => {
  let clock: FakeClock;
  let still: BrokerFixture;
  beforeEach(async () => {
    clock = new FakeClock({ soon: "immediate" });
    still = await startBroker({ clock, anonymous: { allow: "nobody" } });
  });

  const at = (fromNowMs: number): string => new Date(clock.nowMs() + fromNowMs).toISOString();
  const ending = (fromNowMs: number): Promise<Made> =>
    make({ expiresAt: at(fromNowMs), acl: read("data/#") }, still);

  async function waiting(key: string): Promise<MqttTestClient> {
    const client = await still.connect({ password: key, clientId: user });
    await client.subscribe("$client/expiring");
    return client;
  }

  test("comes 60 s and 10 s before the end, then the end comes", async () => {
    const expiresAt = at(100_000);
    const client = await waiting((await ending(100_000)).key);
    clock.advance(39_000);
    await client.expectSilence();
    clock.advance(1_000);
    expect(await told(client)).toEqual({ topic: "$client/expiring", content: { expiresAt, expiresInS: 60 } });
    clock.advance(49_000);
    await client.expectSilence();
    clock.advance(1_000);
    expect((await told(client)).content).toEqual({ expiresAt, expiresInS: 10 });
    clock.advance(10_500);
    expect((await client.closed).disconnect?.reasonCode).toBe(0xa0);
    await still.close();
  });

  test("comes at once where a change brings the end nearer, or the client asks late", async () => {
    const made = await ending(1_000_000);
    const client = await waiting(made.key);
    await still.rest("PATCH", `/tokens/${made.id}`, { expiresAt: at(30_000) });
    expect((await told(client)).content).toEqual({ expiresAt: at(30_000), expiresInS: 30 });
    await still.rest("PATCH", `/tokens/${made.id}`, { expiresAt: at(5_000) });
    expect((await told(client)).content).toEqual({ expiresAt: at(5_000), expiresInS: 5 });
    await client.subscribe("$client/+");
    await client.expectSilence();
    expect((await told(await waiting((await ending(59_000)).key))).content).toMatchObject({ expiresInS: 59 });
    await still.close();
  });

  test("does not come where the end was moved away, nor after a renewal", async () => {
    const made = await ending(90_000);
    const client = await waiting(made.key);
    await still.rest("PATCH", `/tokens/${made.id}`, { expiresAt: at(500_000) });
    clock.advance(100_000);
    await client.expectSilence();
    clock.advance(335_000);
    await client.publish("$client/auth", (await ending(900_000)).key, { qos: 1 });
    clock.advance(120_000);
    await client.expectSilence();
    await still.close();
  });

  test("comes for the end of the minting token, too", async () => {
    const minter = await make({ mint: { subjects: ["*"] }, subject: undefined, ttl: undefined }, still);
    const made = await still.restAs(minter.key, "POST", "/tokens", { subject: user, ttl: 3_600 });
    const client = await waiting(made.body["key"] as string);
    await still.rest("PATCH", `/tokens/${minter.id}`, { expiresAt: at(20_000) });
    expect((await told(client)).content).toEqual({ expiresAt: at(20_000), expiresInS: 20 });
    await still.close();
  });
});
