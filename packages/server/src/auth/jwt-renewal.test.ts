import { type BrokerFixture, FakeClock, type MqttTestClient, startBroker, textOf } from "@weir/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { TestIssuer } from "../../testing/test-issuer.ts";

let issuer: TestIssuer;
let clock: FakeClock;
let broker: BrokerFixture;

beforeAll(async () => {
  issuer = await TestIssuer.open();
});
beforeEach(async () => {
  clock = new FakeClock({ soon: "immediate" });
  issuer.nowS = () => Math.floor(clock.nowMs() / 1_000);
  broker = await startBroker({ clock, anonymous: { allow: "nobody" } });
  const entries = [{ actions: ["subscribe", "publish"], topic: "data/${claims.account}/#" }];
  await broker.rest("PUT", "/policies/own", { entries });
  await broker.rest("PUT", "/providers/ciam", issuer.provider());
  await broker.rest("PUT", "/groups/users", { provider: "ciam", value: "users", policies: ["own"] });
});
afterEach(() => broker.close());
afterAll(() => issuer.close());

function jwt(claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
  return issuer.sign({ sub: "alice", groups: ["users"], account: "a1", ...claims });
}

async function connected(claims: Readonly<Record<string, unknown>> = {}): Promise<MqttTestClient> {
  const client = await broker.connect({ password: await jwt(claims), clientId: "c" });
  await client.subscribe("$client/#");
  await client.subscribe("data/#");
  return client;
}

async function told(client: MqttTestClient): Promise<{ topic: string; content: unknown }> {
  const packet = await client.receive("publish");
  return { topic: packet.topic, content: JSON.parse(textOf(packet)) };
}

const inS = (seconds: number): string => new Date((issuer.nowS() + seconds) * 1_000).toISOString();

describe("a JWT on $client/auth", () => {
  test("takes the place of an older one: its end and its claims count from then on", async () => {
    const client = await connected({ exp: issuer.nowS() + 100 });
    clock.advance(10_000);
    const next = await jwt({ account: "a2", exp: issuer.nowS() + 200 });
    const expiresAt = inS(200);
    expect((await client.publish("$client/auth", next, { qos: 1 }))?.reasonCode).toBe(0);
    expect(await told(client)).toEqual({ topic: "$client/renewed", content: { ok: true, expiresAt } });
    expect((await told(client)).content).toEqual({
      subscriptions: [{ filter: "data/#", effective: ["data/a2/#"] }],
    });
    clock.advance(100_000);
    await client.expectSilence();
    clock.advance(40_000);
    expect((await told(client)).content).toEqual({ expiresAt, expiresInS: 60 });
    clock.advance(61_000);
    expect((await client.closed).disconnect?.reasonCode).toBe(0xa0);
  });

  test("that was issued before the present one is acknowledged and ignored", async () => {
    const older = await jwt({ account: "a2", exp: issuer.nowS() + 500 });
    clock.advance(5_000);
    const client = await connected({ exp: issuer.nowS() + 100 });
    expect((await client.publish("$client/auth", older, { qos: 1 }))?.reasonCode).toBe(0);
    expect((await told(client)).content).toEqual({ ok: true, expiresAt: inS(100) });
    await client.publish("data/a1/x", "1");
    expect((await client.receive("publish")).topic).toBe("data/a1/x");
  });

  test.each([
    ["of another subject", () => jwt({ sub: "mallory" })],
    ["that has expired", () => jwt({ iat: issuer.nowS() - 700, exp: issuer.nowS() - 600 })],
    ["that nobody has signed", async () => `${(await jwt()).split(".", 2).join(".")}.`],
    ["in whose place comes an access token of the same name", () => broker.token({ subject: "alice" })],
  ])("%s is refused, and the connection goes on", async (_, another) => {
    const client = await connected();
    expect((await client.publish("$client/auth", await another(), { qos: 1 }))?.reasonCode).toBe(0x87);
    expect((await told(client)).content).toEqual({ ok: false, code: 0x87 });
    await client.publish("data/a1/x", "1");
    expect((await client.receive("publish")).topic).toBe("data/a1/x");
  });
});

describe("a ticket of a JWT's holder", () => {
  async function ticket(credential: string): Promise<string> {
    const answer = await broker.restAs(credential, "POST", "/tickets");
    return answer.body["ticket"] as string;
  }

  async function codeWith(address: string): Promise<number> {
    const client = await broker.open({ over: "ws", path: `/mqtt?ticket=${address}`, clientId: "t" });
    return (await client.connect()).reasonCode;
  }

  test("lets in with the same rights and the same end", async () => {
    const path = `/mqtt?ticket=${await ticket(await jwt({ exp: issuer.nowS() + 20 }))}`;
    const client = await broker.connect({ over: "ws", path, clientId: "t" });
    const suback = await client.subscribe("#");
    expect(suback.properties?.userProperties).toEqual([["effective-filter", "data/a1/#"]]);
    clock.advance(20_500);
    expect((await client.closed).disconnect?.reasonCode).toBe(0xa0);
  });

  test("is worth nothing once the JWT has expired, or its provider is gone", async () => {
    const expiring = await ticket(await jwt({ exp: issuer.nowS() + 5 }));
    clock.advance(6_000);
    expect(await codeWith(expiring)).toBe(0x86);
    const orphaned = await ticket(await jwt());
    await broker.rest("DELETE", "/groups/users");
    await broker.rest("DELETE", "/providers/ciam");
    expect(await codeWith(orphaned)).toBe(0x86);
  });
});
