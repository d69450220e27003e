import { type BrokerFixture, FakeClock, type MqttTestClient, startBroker } from "@weir/testkit";
import { connectAsync } from "mqtt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

const ORIGIN = "https://app.example.com";

let clock: FakeClock;
let broker: BrokerFixture;
let users = 0;
let user: string;
let key: string;

beforeAll(async () => {
  clock = new FakeClock({ soon: "immediate" });
  broker = await startBroker({ clock, anonymous: { allow: "nobody" }, limits: { maxTickets: 120 } });
});
beforeEach(async () => {
  user = `u${++users}`;
  key = await broker.token({ subject: user, acl: [] });
});
afterAll(() => broker.close());

interface Answer {
  readonly status: number;
  readonly ticket: string;
  readonly expiresAt: string;
  readonly code: string;
}

async function ask(origin: string | undefined = ORIGIN, credential = key): Promise<Answer> {
  const url = `http://127.0.0.1:${broker.addresses.http.port}/api/v1/tickets`;
  const headers = { authorization: `Bearer ${credential}`, ...(origin !== "" && { origin }) };
  const response = await fetch(url, { method: "POST", headers });
  return { status: response.status, ...((await response.json()) as Omit<Answer, "status">) };
}

async function ticketFor(origin?: string): Promise<string> {
  const { status, ticket } = await ask(origin);
  expect(status).toBe(201);
  return ticket;
}

/** The code of the CONNACK that a browser gets with the ticket in its address. */
async function codeWith(ticket: string, options: object = {}, origin = ORIGIN): Promise<number> {
  const headers = origin === "" ? {} : { origin };
  const client = await open(`/mqtt?ticket=${ticket}`, headers, options);
  return (await client.connect()).reasonCode;
}

function open(path: string, headers: Record<string, string>, options: object = {}): Promise<MqttTestClient> {
  return broker.open({ over: "ws", path, headers, clientId: user, ...options });
}

describe("a ticket", () => {
  test("is given to whoever shows a credential, without any scope: 256 bits, good for 30 s", async () => {
    const { status, ticket, expiresAt } = await ask();
    expect(status).toBe(201);
    expect(ticket).toMatch(/^[\w-]{43}$/);
    expect(Date.parse(expiresAt)).toBe(clock.nowMs() + 30_000);
    expect((await ask(ORIGIN, "weir_x_y")).status).toBe(401);
  });

  test("lets one connection in, once, as the principal that asked for it", async () => {
    const ticket = await ticketFor();
    const client = await open(`/mqtt?ticket=${ticket}`, { origin: ORIGIN });
    expect((await client.connect()).reasonCode).toBe(0);
    const { items } = (await broker.rest("GET", `/sessions?clientId=${user}`)) as { items: object[] };
    expect(items).toMatchObject([{ identity: { realm: "token", subject: user } }]);
    expect(await codeWith(ticket)).toBe(0x86);
  });

  test("opens MQTT.js in a browser's way, with nothing but the address", async () => {
    const { port } = broker.addresses.http;
    const client = await connectAsync(`ws://127.0.0.1:${port}/mqtt?ticket=${await ticketFor("")}`, {
      protocolVersion: 5,
      reconnectPeriod: 0,
    });
    expect(client.connected).toBe(true);
    await client.endAsync();
  });

  test.each([
    ["another web page", "https://evil.example.com"],
    ["what says no page", ""],
  ])("is worth nothing to %s, and is used up by it", async (_, origin) => {
    const ticket = await ticketFor();
    expect(await codeWith(ticket, {}, origin)).toBe(0x86);
    expect(await codeWith(ticket)).toBe(0x86);
  });

  test("that no web page has asked for is worth nothing to one", async () => {
    expect(await codeWith(await ticketFor(""))).toBe(0x86);
  });

  test("is worth nothing after 30 s", async () => {
    const ticket = await ticketFor();
    clock.advance(30_000);
    expect(await codeWith(ticket)).toBe(0x86);
  });

  test.each([
    ["a password", () => ({ password: key })],
    ["a user name", () => ({ username: key })],
    ["an authentication method", () => ({ properties: { authenticationMethod: "token" } })],
    ["an Authorization header", () => ({ headers: { origin: ORIGIN, authorization: `Bearer ${key}` } })],
  ])("besides %s is refused, and used up", async (_, another) => {
    const ticket = await ticketFor();
    expect(await codeWith(ticket, another())).toBe(0x87);
    expect(await codeWith(ticket)).toBe(0x86);
  });

  test("counts as its credential: not once that is disabled, nor for another client id or origin than it may have", async () => {
    const bound = (await broker.rest("POST", "/tokens", {
      subject: user,
      ttl: 60,
      clientIds: ["web-*"],
      origins: [ORIGIN],
    })) as { id: string; key: string };
    key = bound.key;
    expect(await codeWith(await ticketFor())).toBe(0x85);
    expect(await codeWith(await ticketFor(), { clientId: "web-1" })).toBe(0);
    const late = await ticketFor();
    await broker.rest("PATCH", `/tokens/${bound.id}`, { enabled: false });
    expect(await codeWith(late, { clientId: "web-1" })).toBe(0x86);
    expect((await ask()).status).toBe(401);
  });

  test("stands in no line of the log, whatever became of it", async () => {
    const [used, wrong] = [await ticketFor(), await ticketFor()];
    await codeWith(used);
    await codeWith(wrong, {}, "https://evil.example.com");
    await expect(open(`/other?ticket=${wrong}`, {})).rejects.toThrow();
    await expect(open(`/mqtt?ticket=${wrong}`, {}, { subprotocols: ["x"] })).rejects.toThrow();
    expect(broker.log.join("")).not.toMatch(new RegExp(`${used}|${wrong}`));
  });

  test("is one of at most 100 of an identity, and of limits.maxTickets altogether, until they expire", async () => {
    clock.advance(30_000);
    const answers = [];
    for (let i = 0; i < 101; i++) answers.push(await ask());
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(100);
    expect(answers.at(-1)).toMatchObject({ status: 429, code: "rate" });
    const other = await broker.token({ subject: `${user}-other` });
    for (let i = 0; i < 20; i++) expect((await ask(ORIGIN, other)).status).toBe(201);
    expect((await ask(ORIGIN, other)).status).toBe(429);
    clock.advance(30_000);
    expect((await ask()).status).toBe(201);
  });
});
