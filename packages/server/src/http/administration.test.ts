import { createWeirClient, type ProblemError, type WeirClient } from "@weir/api";
import { type BrokerFixture, startBroker } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const text = (payload: Uint8Array): string => Buffer.from(payload).toString();

let broker: BrokerFixture;
let url: string;
let adminKey: string;
let admin: WeirClient;

beforeAll(async () => {
  broker = await startBroker({ anonymous: { allow: "nobody" } });
  url = `http://127.0.0.1:${broker.addresses.http.port}`;
  adminKey = await broker.token({
    scopes: ["admin"],
    acl: [
      { actions: ["publish", "subscribe"], topic: "#" },
      { actions: ["subscribe"], topic: "$audit/#" },
    ],
  });
  admin = createWeirClient({ url, token: adminKey });
});

afterAll(() => broker.close());

/** A new token, and a client id that nobody else uses. */
let users = 0;
async function newUser(extra: object = {}): Promise<{ id: string; key: string; name: string }> {
  const name = `user${users++}`;
  const { id, key } = await admin.tokens.create({
    subject: name,
    ttl: 60,
    acl: [{ actions: ["publish", "subscribe"], topic: `data/${name}/#` }],
    ...extra,
  });
  return { id, key, name };
}

describe("POST /sessions", () => {
  it("makes a session that collects before its client ever connects, as far as its token may read", async () => {
    const { id, key, name } = await newUser();
    const session = await admin.sessions.create({
      token: id,
      clientId: name,
      subscriptions: [{ filter: "data/+/#", qos: 1 }],
    });
    expect(session).toMatchObject({
      connected: false,
      identity: { realm: "token", subject: name },
      subscriptions: [{ filter: "data/+/#", effective: [`data/${name}/#`] }],
    });
    await admin.messages.publish({ topic: `data/${name}/a`, payload: "1", qos: 1 });
    await admin.messages.publish({ topic: "data/somebody/a", payload: "2", qos: 1 });
    expect(await admin.sessions.get(session.id)).toMatchObject({ queued: 1 });
    const client = await broker.connect({
      clientId: name,
      password: key,
      cleanStart: false,
    });
    expect(text((await client.receiveMessage()).payload)).toBe("1");
  });

  it("follows its token before its client comes: what the token may no longer read is not kept", async () => {
    const { id, name } = await newUser();
    const { id: sessionId } = await admin.sessions.create({
      token: id,
      clientId: name,
      subscriptions: [{ filter: "#", qos: 1 }],
    });
    await admin.tokens.update(id, { acl: [{ actions: ["subscribe"], topic: "news" }] });
    await expect
      .poll(async () => (await admin.sessions.get(sessionId)).subscriptions[0]?.effective)
      .toEqual(["news"]);
  });

  it("refuses a second one of the same identity and client id, and leaves none behind where a filter is refused", async () => {
    const { id, name } = await newUser();
    const refused = admin.sessions.create({
      token: id,
      clientId: name,
      subscriptions: [{ filter: `data/${name}/x` }, { filter: "data/somebody/#" }],
    });
    await expect(refused).rejects.toMatchObject({
      code: "acl",
      detail: expect.stringContaining("data/somebody/#") as string,
    });
    expect((await admin.sessions.list({ clientId: name })).items).toEqual([]);
    await admin.sessions.create({ token: id, clientId: name });
    await expect(admin.sessions.create({ token: id, clientId: name })).rejects.toMatchObject({
      code: "conflict",
    });
  });

  it("takes only a client id that the token may use, and says for whom", async () => {
    const { id } = await newUser({ clientIds: ["device-*"] });
    await expect(admin.sessions.create({ token: id, clientId: "other" })).rejects.toMatchObject({
      code: "not-found",
    });
    await expect(admin.sessions.create({ clientId: "other" })).rejects.toMatchObject({ code: "invalid" });
  });
});

describe("/sessions/{id}/subscriptions", () => {
  it("PUT subscribes a connected client, with its retained messages; DELETE unsubscribes it", async () => {
    const { key, name } = await newUser();
    const client = await broker.connect({ clientId: name, password: key });
    const topic = `data/${name}/state`;
    await admin.messages.publish({ topic, payload: "kept", retain: true, qos: 1 });
    const [session] = (await admin.sessions.list({ clientId: name })).items;
    const { id } = session as { id: string };
    await admin.sessions.subscribe(id, [{ filter: "#", qos: 1 }]);
    expect(await client.receiveMessage()).toMatchObject({ topic, retain: true });
    await expect(admin.sessions.subscribe(id, [{ filter: "data/nobody/#" }])).rejects.toMatchObject({
      code: "acl",
    });
    await expect(admin.sessions.subscribe(id, [{ filter: "a/#/b" }])).rejects.toMatchObject({
      code: "invalid",
    });
    expect(await admin.sessions.unsubscribe(id, ["#", "never"])).toEqual({ count: 1 });
    await admin.messages.publish({ topic, payload: "gone" });
    await client.expectSilence();
  });
});

describe("/sessions", () => {
  it("GET filters by token; a minting token sees and ends the sessions of those that it made, and no others", async () => {
    const minting = await admin.tokens.create({
      ttl: 60,
      mint: { acl: [{ actions: ["subscribe"], topic: "made/#" }], subjects: ["made-*"] },
    });
    const maker = createWeirClient({ url, token: minting.key });
    const made = await maker.tokens.create({
      subject: "made-1",
      ttl: 60,
      acl: [{ actions: ["subscribe"], topic: "made/1" }],
    });
    await broker.connect({ clientId: "made-client", password: made.key });
    const { key, name } = await newUser();
    await broker.connect({ clientId: name, password: key });
    expect((await maker.sessions.list()).items.map(({ clientId }) => clientId)).toEqual(["made-client"]);
    const [other] = (await admin.sessions.list({ clientId: name })).items;
    await expect(maker.sessions.delete((other as { id: string }).id)).rejects.toMatchObject({
      code: "not-found",
    });
    expect(await maker.sessions.deleteMany({ token: made.id })).toEqual({ count: 1 });
  });
});

describe("/retained", () => {
  it("GET shows by pages what the caller may read, DELETE clears what it may publish", async () => {
    const { id, name } = await newUser({ scopes: ["messages"] });
    const { key } = await admin.tokens.create({
      subject: name,
      ttl: 60,
      scopes: ["messages"],
      acl: [
        { actions: ["subscribe"], topic: `data/${name}/+` },
        { actions: ["publish"], topic: `data/${name}/a` },
      ],
    });
    await admin.tokens.delete(id);
    const reader = createWeirClient({ url, token: key });
    for (const level of ["c", "a", "b"])
      await admin.messages.publish({ topic: `data/${name}/${level}`, payload: level, retain: true, qos: 1 });
    await admin.messages.publish({ topic: "secret", payloadBase64: "/w==", retain: true, qos: 1 });
    const first = await reader.retained.list({ filter: "#", limit: 2 });
    expect(first.items.map(({ topic, payload }) => [topic, payload])).toEqual([
      [`data/${name}/a`, "a"],
      [`data/${name}/b`, "b"],
    ]);
    const rest = await reader.retained.list({ filter: "#", limit: 2, cursor: first.next as string });
    expect(rest.items.map(({ topic }) => topic)).toEqual([`data/${name}/c`]);
    expect(rest.next).toBeUndefined();
    expect(await reader.retained.delete({ filter: "#" })).toEqual({ count: 1, refused: 2 });
    expect((await admin.retained.list({ filter: `data/${name}/#` })).items).toHaveLength(2);
    expect((await admin.retained.list({ filter: "secret" })).items).toMatchObject([
      { payloadBase64: "/w==" },
    ]);
    await expect(admin.retained.list({ filter: "a/#/b" })).rejects.toMatchObject({ code: "invalid" });
  });
});

describe("POST /access/explain", () => {
  it("says which entry of the token or of its policies decides, and what a filter is narrowed to", async () => {
    await admin.policies.put("no-secrets", {
      entries: [{ effect: "deny", actions: ["subscribe", "publish"], topic: "data/+/secret" }],
    });
    const { id, name } = await newUser({ policies: ["no-secrets"] });
    const denied = await admin.access.explain({
      tokenId: id,
      action: "publish",
      topic: `data/${name}/secret`,
    });
    expect(denied).toMatchObject({
      allowed: false,
      entries: [{ from: "policy no-secrets", entry: { effect: "deny" } }],
    });
    const allowed = await admin.access.explain({ tokenId: id, action: "publish", topic: `data/${name}/x` });
    expect(allowed).toMatchObject({ allowed: true, entries: [{ from: "acl", filters: [`data/${name}/#`] }] });
    const narrowed = await admin.access.explain({ tokenId: id, action: "subscribe", topic: "data/#" });
    expect(narrowed).toMatchObject({ allowed: true, effective: [`data/${name}/#`] });
    const nothing = await admin.access.explain({ tokenId: id, action: "subscribe", topic: "news" });
    expect(nothing).toMatchObject({ allowed: false, entries: [], effective: [] });
  });

  it("names the template that bounds a made token", async () => {
    const acl = [{ actions: ["publish" as const], topic: "made/#" }];
    const { id, key } = await admin.tokens.create({ ttl: 60, mint: { acl, subjects: ["*"] } });
    const maker = createWeirClient({ url, token: key });
    const made = await maker.tokens.create({ subject: "m", ttl: 60, acl });
    await admin.tokens.update(id, {
      mint: { acl: [{ actions: ["publish"], topic: "made/1" }], subjects: ["*"] },
    });
    const answer = await admin.access.explain({ tokenId: made.id, action: "publish", topic: "made/2" });
    expect(answer).toMatchObject({ allowed: false, entries: [{ from: "acl" }] });
    const within = await admin.access.explain({ tokenId: made.id, action: "publish", topic: "made/1" });
    expect(within.entries.map(({ from }) => from)).toEqual(["acl", `template of ${id}`]);
  });

  it("asks for the scope policies, for a token that is there, and for a topic", async () => {
    const { key } = await newUser({ scopes: ["messages"] });
    const question = { tokenId: "x", action: "publish" as const, topic: "a" };
    const refused = createWeirClient({ url, token: key }).access.explain(question);
    await expect(refused).rejects.toMatchObject({ code: "scope" });
    await expect(admin.access.explain(question)).rejects.toMatchObject({ code: "not-found" });
    const filter = admin.access.explain({ ...question, topic: "a/#" });
    await expect(filter).rejects.toMatchObject({ code: "invalid" });
  });
});

describe("named objects", () => {
  it("PUT 201 then 200, ETag, If-Match, If-None-Match, DELETE 204", async () => {
    const call = (method: string, headers: Record<string, string> = {}, body?: object): Promise<Response> =>
      fetch(`${url}/api/v1/policies/p1`, {
        method,
        headers: { authorization: `Bearer ${adminKey}`, ...headers },
        ...(body && { body: JSON.stringify(body) }),
      });
    const made = await call("PUT", { "if-none-match": "*" }, { entries: [] });
    expect([made.status, made.headers.get("location")]).toEqual([201, "/api/v1/policies/p1"]);
    const tag = made.headers.get("etag") as string;
    expect((await call("GET")).headers.get("etag")).toBe(tag);
    expect((await call("PUT", { "if-none-match": "*" }, { entries: [] })).status).toBe(412);
    const replaced = await call("PUT", { "if-match": tag }, { entries: [] });
    expect(replaced.status).toBe(200);
    expect((await call("PUT", { "if-match": tag }, { entries: [] })).status).toBe(412);
    expect((await call("DELETE", { "if-match": tag })).status).toBe(412);
    expect((await call("DELETE", { "if-match": replaced.headers.get("etag") as string })).status).toBe(204);
    expect((await call("GET")).status).toBe(404);
    const odd = await call("PUT", {}, { entries: [{ actions: ["fly"], topic: "a" }] });
    expect(await odd.json()).toMatchObject({
      code: "invalid",
      detail: expect.stringContaining("entries[0]") as string,
    });
  });
});

describe("the audit log", () => {
  it("tells who changed what, when, from where, never a value; and refusals leave no trace", async () => {
    const { id, name } = await newUser({ metadata: { secret: "s3cret" } });
    await admin.tokens.update(id, { name: "renamed-to-s3cret" });
    await expect(admin.tokens.update(id, { ttl: -1 })).rejects.toThrow();
    await admin.sessions.deleteMany({ subject: name });
    const { items } = await admin.audit.list({ target: id });
    expect(items.map(({ action }) => action)).toEqual(["tokens.update", "tokens.create"]);
    expect(items[1]).toMatchObject({ values: { subject: name } });
    expect(items[0]).toMatchObject({
      actor: { realm: "token", tenant: "default" },
      address: "127.0.0.1",
      outcome: "done",
      members: ["name"],
    });
    expect(JSON.stringify(items)).not.toContain("s3cret");
    const [ended] = (await admin.audit.list({ action: "sessions.*", limit: 1 })).items;
    expect(ended).toMatchObject({ action: "sessions.delete", query: { subject: name } });
    expect((await admin.audit.list({ since: "2100-01-01T00:00:00Z" })).items).toEqual([]);
    await expect(admin.audit.list({ since: "yesterday" })).rejects.toMatchObject({ code: "invalid" });
  });

  it("pages with the newest first, and needs the scope audit", async () => {
    for (const ttl of [10, 20, 30]) await admin.tokens.create({ ttl });
    const first = await admin.audit.list({ limit: 2 });
    const second = await admin.audit.list({ limit: 2, cursor: first.next as string });
    const ids = [...first.items, ...second.items].map(({ id }) => id);
    expect(ids).toEqual([...ids].sort().reverse());
    expect(new Set(ids).size).toBe(4);
    const { key } = await newUser({ scopes: ["messages"] });
    const refused = createWeirClient({ url, token: key }).audit.list();
    await expect(refused).rejects.toMatchObject({ code: "scope" } satisfies Partial<ProblemError>);
  });

  it("is heard on $audit/# by those whose ACL names it, and nobody publishes there", async () => {
    const { key } = await newUser({
      scopes: ["messages"],
      acl: [
        { actions: ["publish", "subscribe"], topic: "#" },
        { actions: ["publish"], topic: "$audit/#" },
      ],
    });
    const listener = await broker.connect({ clientId: "auditor", password: adminKey });
    expect(await listener.subscribe("$audit/policies/#")).toMatchObject({ reasonCodes: [0] });
    const stranger = await broker.connect({ clientId: "stranger", password: key });
    await stranger.subscribe({ topicFilter: "#", retainHandling: 2 });
    expect((await stranger.subscribe("$audit/#")).reasonCodes[0]).toBe(0x87);
    await admin.policies.put("heard", { entries: [] });
    const { topic, payload } = await listener.receiveMessage();
    expect(topic).toBe("$audit/policies/put");
    expect(JSON.parse(text(payload))).toMatchObject({ action: "policies.put", target: "heard" });
    await stranger.expectSilence();
    const forged = createWeirClient({ url, token: key }).messages.publish({ topic: "$audit/x", payload: "" });
    await expect(forged).rejects.toMatchObject({ code: "acl" });
  });
});

describe("a response topic", () => {
  it("that the caller may not itself subscribe to is refused like a forbidden topic", async () => {
    const { key, name } = await newUser({ scopes: ["messages"] });
    const user = createWeirClient({ url, token: key });
    const request = { topic: `data/${name}/ask`, payload: "?" };
    await user.messages.publish({ ...request, responseTopic: `data/${name}/answer` });
    await expect(
      user.messages.publish({ ...request, responseTopic: "data/victim/in" }),
    ).rejects.toMatchObject({
      code: "acl",
    });
  });
});
