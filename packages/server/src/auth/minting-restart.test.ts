import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrokerFixture, type MqttTestClient, startBroker } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

interface Made {
  readonly id: string;
  readonly key: string;
}

const read = (topic: string) => [{ actions: ["subscribe"], topic }];
const mint = { subjects: ["*"], acl: read("data/${subject}/#") };
const folder = mkdtempSync(join(tmpdir(), "weir-minting-"));

let broker: BrokerFixture;
let minters: [Made, Made];

beforeAll(async () => {
  broker = await startBroker({ data: folder, anonymous: { allow: "nobody" } });
  minters = [await make({ mint }), await make({ mint })];
});
afterAll(async () => {
  await broker.close();
  rmSync(folder, { recursive: true });
});

async function make(declaration: object): Promise<Made> {
  return (await broker.rest("POST", "/tokens", declaration)) as Made;
}

async function minted(by: Made, subject: string): Promise<Made> {
  const { status, body } = await broker.restAs(by.key, "POST", "/tokens", { subject, ttl: 3_600, ...ownAcl });
  expect(status).toBe(201);
  return body as unknown as Made;
}

const ownAcl = { acl: read("data/${subject}/#") };

function client(key: string, clientId: string): Promise<MqttTestClient> {
  const properties = { sessionExpiryInterval: 3_600 };
  return broker.open({ password: key, clientId, cleanStart: false, properties });
}

describe("after a restart", () => {
  test("sessions are still those of the minting token whose token held them, and templates still bound", async () => {
    const [own, other] = minters;
    const before = await minted(own, "alice");
    const bobs = await make({ subject: "bob", acl: read("data/#") });
    for (const [key, id] of [
      [before.key, "alice"],
      [bobs.key, "bob"],
    ] as const) {
      const one = await client(key, id);
      await one.connect();
      await one.subscribe({ topicFilter: "data/#", qos: 1 });
    }
    await broker.rest("DELETE", `/tokens/${before.id}`);
    await broker.rest("DELETE", `/tokens/${bobs.id}`);
    await broker.close();
    broker = await startBroker({ data: folder, anonymous: { allow: "nobody" } });

    const resumed = await client((await minted(own, "alice")).key, "alice");
    expect(await resumed.connect()).toMatchObject({ reasonCode: 0, sessionPresent: true });
    const taker = await client((await minted(other, "bob")).key, "bob");
    expect((await taker.connect()).reasonCode).toBe(0x87);
    const narrow = { mint: { acl: read("data/${subject}/s1") } };
    await broker.rest("PATCH", `/tokens/${own.id}`, narrow);
    const { items } = (await broker.rest("GET", "/sessions?subject=alice")) as {
      items: { subscriptions: { effective: string[] }[] }[];
    };
    expect(items[0]?.subscriptions[0]?.effective).toEqual(["data/alice/s1"]);
  });

  test("a session is that of the token which its connection was renewed with", async () => {
    const [, other] = minters;
    const [first, next] = [await minted(other, "dora"), await minted(other, "dora")];
    const one = await client(first.key, "dora");
    await one.connect();
    await one.publish("$client/auth", next.key, { qos: 1 });
    await broker.close();
    broker = await startBroker({ data: folder, anonymous: { allow: "nobody" } });
    const { items } = (await broker.rest("GET", "/sessions?subject=dora")) as { items: { token: string }[] };
    expect(items.map(({ token }) => token)).toEqual([next.id]);
  });

  test("what a deleted minting token had made does not come back", async () => {
    const [, other] = minters;
    const made = await minted(other, "carol");
    expect((await broker.restAs(made.key, "GET", "/tokens/self")).status).toBe(200);
    await broker.rest("DELETE", `/tokens/${other.id}`);
    await broker.close();
    broker = await startBroker({ data: folder, anonymous: { allow: "nobody" } });
    expect((await broker.restAs(made.key, "GET", "/tokens/self")).status).toBe(401);
    const { items } = (await broker.rest("GET", "/tokens")) as { items: { subject: string }[] };
    expect(items.map(({ subject }) => subject)).not.toContain("carol");
  });
});
