import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ReasonCode } from "@weir/protocol";
import { type BrokerFixture, startBroker } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestIssuer } from "../../testing/test-issuer.ts";

interface ShownSession {
  readonly id: string;
  readonly issuer?: string;
  readonly groups?: readonly string[];
  readonly queued: number;
  readonly subscriptions: readonly { readonly effective: readonly string[] }[];
}

const folder = mkdtempSync(join(tmpdir(), "weir-oauth-"));
const persistent = { cleanStart: false, properties: { sessionExpiryInterval: 3_600 } };
const user = { groups: ["users"], account: "a1" };
let issuer: TestIssuer;
let broker: BrokerFixture;

const start = (): Promise<BrokerFixture> => startBroker({ data: folder, anonymous: { allow: "nobody" } });
const policy = (topic: string): object => ({ entries: [{ actions: ["subscribe", "publish"], topic }] });

beforeAll(async () => {
  issuer = await TestIssuer.open();
  broker = await start();
  await broker.rest("PUT", "/policies/read", policy("data/${claims.account}/#"));
  await broker.rest("PUT", "/providers/ciam", issuer.provider());
  await broker.rest("PUT", "/groups/users", { provider: "ciam", value: "users", policies: ["read"] });
});
afterAll(async () => {
  await broker.close();
  await issuer.close();
  rmSync(folder, { recursive: true });
});

async function session(clientId: string): Promise<ShownSession> {
  const { items } = (await broker.rest("GET", `/sessions?clientId=${clientId}`)) as { items: ShownSession[] };
  return items[0] as ShownSession;
}

/** A session that is subscribed and left alone. */
async function left(clientId: string, claims: object = {}): Promise<void> {
  const password = await issuer.sign({ ...user, ...claims });
  const client = await broker.connect({ password, clientId, ...persistent });
  await client.subscribe({ topicFilter: "data/#", qos: 1 });
  await client.disconnect();
}

describe("after a restart a JWT's session", () => {
  test("goes on collecting under the rights of now, and is checked again when it is resumed", async () => {
    await left("c1");
    await broker.close();
    broker = await start();
    expect(await session("c1")).toMatchObject({ issuer: issuer.url, groups: ["users"] });
    await expect.poll(async () => (await session("c1")).subscriptions[0]?.effective).toEqual(["data/a1/#"]);
    const publisher = await broker.connect({ password: await issuer.sign(user), clientId: "p" });
    await publisher.publish("data/a1/x", "kept", { qos: 1 });
    await broker.rest("PUT", "/policies/read", policy("data/${claims.account}/y"));
    const again = await broker.connect({ password: await issuer.sign(user), clientId: "c1", ...persistent });
    expect(again.connack?.sessionPresent).toBe(true);
    await again.expectSilence();
    await broker.rest("PUT", "/policies/read", policy("data/${claims.account}/#"));
  });

  test("stays ended by a revocation: who shows the same JWT again stays out, a later one is let in", async () => {
    const jwt = await issuer.sign({ ...user, sub: "carol" });
    const client = await broker.connect({ password: jwt, clientId: "c2", ...persistent });
    const realm = ((await broker.rest("GET", "/providers/ciam")) as { realm: string }).realm;
    await broker.rest("POST", "/revocations", { realm, subject: "carol" });
    expect((await client.closed).disconnect?.reasonCode).toBe(ReasonCode.administrativeAction);
    await broker.close();
    broker = await start();
    const again = await broker.open({ password: jwt, clientId: "c2", ...persistent });
    expect((await again.connect()).reasonCode).toBe(ReasonCode.badUserNameOrPassword);
    const later = await issuer.sign({ ...user, sub: "carol", iat: issuer.nowS() + 2 });
    const fresh = await broker.open({ password: later, clientId: "c2" });
    expect((await fresh.connect()).reasonCode).toBe(0);
  });

  test("does not collect when its provider was deleted meanwhile", async () => {
    await left("c3");
    await broker.rest("DELETE", "/providers/ciam");
    await broker.close();
    broker = await start();
    await broker.rest("PUT", "/providers/ciam", issuer.provider());
    const key = await broker.token({ acl: [{ actions: ["publish"], topic: "data/#" }] });
    const publisher = await broker.connect({ password: key });
    await publisher.publish("data/a1/x", "late", { qos: 1 });
    expect((await session("c3")).queued).toBe(0);
  });
});
