import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createWeirClient, type WeirClient } from "@weir/api";
import { type BrokerFixture, startBroker } from "@weir/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "weir-administration-"));

let broker: BrokerFixture;
let admin: WeirClient;
let adminKey: string;

beforeAll(async () => {
  broker = await start();
  adminKey = await broker.token({
    scopes: ["admin"],
    acl: [{ actions: ["publish", "subscribe"], topic: "#" }],
  });
  admin = clientOf(broker);
});

afterAll(async () => {
  await broker.close();
  rmSync(folder, { recursive: true });
});

const start = (): Promise<BrokerFixture> => startBroker({ data: folder, anonymous: { allow: "nobody" } });

function clientOf({ addresses }: BrokerFixture): WeirClient {
  return createWeirClient({ url: `http://127.0.0.1:${addresses.http.port}`, token: adminKey });
}

it("a session that was made before its client goes on collecting, and the audit log knows who made it", async () => {
  const { id, key } = await admin.tokens.create({
    subject: "storage",
    ttl: 3_600,
    acl: [{ actions: ["subscribe"], topic: "data/#" }],
  });
  const session = await admin.sessions.create({
    token: id,
    clientId: "storage",
    subscriptions: [{ filter: "#", qos: 1 }],
  });
  await admin.messages.publish({ topic: "data/1", payload: "before", qos: 1 });
  const { items: before } = await admin.audit.list();

  await broker.close();
  broker = await start();
  admin = clientOf(broker);

  // What waits is looked for in the log after the start
  await expect
    .poll(() => admin.sessions.get(session.id))
    .toMatchObject({
      token: id,
      queued: 1,
      subscriptions: [{ filter: "#", effective: ["data/#"] }],
    });
  await admin.messages.publish({ topic: "data/2", payload: "after", qos: 1 });
  await admin.messages.publish({ topic: "other", payload: "not theirs", qos: 1 });
  const client = await broker.connect({ clientId: "storage", password: key, cleanStart: false });
  const received = [await client.receiveMessage(), await client.receiveMessage()];
  expect(received.map(({ topic }) => topic)).toEqual(["data/1", "data/2"]);
  await client.expectSilence();
  expect((await admin.audit.list()).items).toEqual(before);
  expect(before[0]).toMatchObject({
    action: "sessions.create",
    target: session.id,
    values: { clientId: "storage", token: id },
  });
});
