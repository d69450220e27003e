// What an attacker tries at the doors of REST and of topics: see docs/security.md.
import { request } from "node:http";
import { type BrokerFixture, startBroker, textOf } from "@weir/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";

const everything = { actions: ["publish", "subscribe", "replay"], topic: "#" };
let broker: BrokerFixture;

beforeAll(async () => {
  broker = await startBroker({ anonymous: { allow: "nobody" } });
});
afterAll(() => broker.close());

/** As the bytes are: nothing normalizes the path. */
async function statusOf(method: string, path: string, key: string, body = ""): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const headers = { authorization: `Bearer ${key}` };
  const { port } = broker.addresses.http;
  const call = request({ host: "127.0.0.1", port, method, path, headers, agent: false }, (response) => {
    response.resume();
    response.on("end", () => resolve(response.statusCode ?? 0));
  });
  call.on("error", reject).end(body);
  return promise;
}

test.each([
  ["a NUL", "a%00b", 400],
  ["a wildcard", "a/%2B/b", 400],
  ["#", "%23", 400],
  ["broken UTF-8", "a%ff", 400],
  ["an overlong dot", "a/%c0%ae", 400],
  ["$SYS", "%24SYS/x", 403],
  ["$share", "%24share/g/data", 403],
  ["$audit", "%24audit/x", 403],
  ["$client", "%24client/auth", 403],
  ["a topic beyond its ACL, by dots", "data/../secret/x", 403],
  ["a topic beyond its ACL, by dots in capitals", "data/%2E%2E/secret", 403],
  ["200 levels", "a/".repeat(200), 400],
  ["2,000 bytes", "a".repeat(2_000), 400],
])("PUT /topics/{topic} with %s publishes nothing", async (_, topic, status) => {
  const key = await broker.token({
    scopes: ["messages"],
    acl: [{ actions: ["publish"], topic: "data/mine/#" }],
  });
  const spy = await broker.connect({ password: await broker.token({ acl: [everything] }), clientId: "spy" });
  await spy.subscribe("#");
  expect(await statusOf("PUT", `/api/v1/topics/${topic}`, key, "x")).toBe(status);
  await spy.expectSilence();
  await spy.cut();
});

test.each([
  ["a NUL", "a\0b"],
  ["a lone surrogate", "a\ud800"],
  ["an empty topic", ""],
])("POST /messages to %s is 400", async (_, topic) => {
  const key = await broker.token({ scopes: ["messages"], acl: [everything] });
  expect(await broker.restAs(key, "POST", "/messages", { topic, payload: "" })).toMatchObject({
    status: 400,
  });
});

test.each(["__proto__", "constructor", "prototype", "hasOwnProperty", "toString"])(
  "a policy, a group, a tenant that is called %s is a name like any other, or none, and changes nothing else",
  async (name) => {
    for (const kind of ["policies", "groups", "tenants", "providers", "histories"])
      expect((await broker.restAs("weir_x_y", "GET", `/${kind}/${name}`)).status).toBe(401);
    const key = await broker.token({ scopes: ["admin"] });
    for (const kind of ["policies", "groups", "histories"])
      expect((await broker.restAs(key, "GET", `/${kind}/${name}`)).status).toBe(404);
    const made = await broker.restAs(key, "PUT", `/policies/${name}`, { entries: [] });
    expect([201, 400]).toContain(made.status);
    const other = await broker.restAs(key, "POST", "/tokens", { ttl: 60, policies: ["valueOf"] });
    expect(other.status).toBe(400);
    expect(({} as Record<string, unknown>)["entries"]).toBeUndefined();
    await broker.restAs(key, "DELETE", `/policies/${name}`);
  },
);

test.each([
  ["in the object", '{"ttl":60,"__proto__":{"scopes":["admin"]}}'],
  ["in its metadata", '{"ttl":60,"metadata":{"__proto__":{"scopes":["admin"]}}}'],
  ["by the constructor", '{"ttl":60,"constructor":{"prototype":{"scopes":["admin"]}}}'],
])("JSON with __proto__ %s is refused, and nobody is an admin by it", async (_, body) => {
  const { port } = broker.addresses.http;
  const key = await broker.token({ scopes: ["tokens"] });
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/tokens`, { method: "POST", headers, body });
  expect(answer.status).toBe(400);
  expect(({} as Record<string, unknown>)["scopes"]).toBeUndefined();
});

test("a token gives itself no scope, no other subject, realm or tenant", async () => {
  const made = (await broker.rest("POST", "/tokens", { ttl: 60, scopes: ["tokens"] })) as {
    id: string;
    key: string;
  };
  const patch = (body: object) => broker.restAs(made.key, "PATCH", `/tokens/${made.id}`, body);
  for (const scopes of [["admin"], ["tokens", "messages"], ["tenants"]])
    expect((await patch({ scopes })).status).toBe(403);
  for (const body of [
    { subject: "x" },
    { tenant: "x" },
    { realm: "x" },
    { id: "x" },
    { mintedBy: "x" },
    { key: "x" },
  ])
    expect((await patch(body)).status).toBe(400);
  expect((await broker.restAs(made.key, "GET", `/tokens/${made.id}`)).body).toMatchObject({
    scopes: ["tokens"],
  });
});

test("an admin of one tenant is none of another: ?tenant=, ids, cursors and idempotency keys of others open nothing", async () => {
  await broker.rest("PUT", "/tenants/acme", {});
  const make = async (query: string) =>
    (await broker.rest("POST", `/tokens${query}`, { ttl: 60, scopes: ["admin"] })) as {
      id: string;
      key: string;
    };
  const [ours, theirs] = [await make("?tenant=acme"), await make("")];
  expect((await broker.restAs(ours.key, "GET", "/tokens?tenant=default")).status).toBe(403);
  for (const method of ["GET", "PATCH", "DELETE"])
    expect(
      (await broker.restAs(ours.key, method, `/tokens/${theirs.id}`, method === "PATCH" ? {} : undefined))
        .status,
    ).toBe(404);
  const { body } = await broker.restAs(theirs.key, "GET", "/tokens?limit=1");
  expect(body["next"]).toBeTypeOf("string");
  const cursor = encodeURIComponent(String(body["next"]));
  const page = await broker.restAs(ours.key, "GET", `/tokens?cursor=${cursor}`);
  for (const { tenant } of (page.body["items"] ?? []) as { tenant: string }[]) expect(tenant).toBe("acme");
  for (const path of ["/tenants", "/tenants/default"])
    expect((await broker.restAs(ours.key, "GET", path)).status).toBe(403);
});

test("an address that is made up in X-Forwarded-For opens no token that is bound to a network", async () => {
  const key = await broker.token({ scopes: ["messages"], networks: ["192.0.2.0/24"] });
  const { port } = broker.addresses.http;
  for (const name of ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip"]) {
    const headers = {
      authorization: `Bearer ${key}`,
      [name]: name === "forwarded" ? "for=192.0.2.1" : "192.0.2.1",
    };
    expect((await fetch(`http://127.0.0.1:${port}/api/v1/tokens/self`, { headers })).status).toBe(401);
  }
});

test("a filter made of wildcards alone is answered at once, however deep it and the policy are", async () => {
  const deep = (tail: string) => `${"+/".repeat(120)}${tail}`;
  const acl = Array.from({ length: 200 }, (_, i) => ({ actions: ["subscribe"], topic: deep(`x${i}`) }));
  const client = await broker.connect({ password: await broker.token({ acl }), clientId: "deep" });
  const began = performance.now();
  for (const filter of ["#", deep("#"), deep("+"), `${"+/".repeat(127)}+`]) await client.subscribe(filter);
  expect(performance.now() - began).toBeLessThan(2_000);
  const template = { acl: [everything], subjects: ["*a".repeat(60)] };
  const minter = (await broker.rest("POST", "/tokens", { ttl: 60, mint: template })) as { key: string };
  const before = performance.now();
  const { status } = await broker.restAs(minter.key, "POST", "/tokens", {
    ttl: 60,
    subject: `${"a".repeat(200)}b`,
  });
  expect(status).toBe(403);
  expect(performance.now() - before).toBeLessThan(1_000);
});

test("a retained message is neither read nor cleared by REST beyond the ACL", async () => {
  await broker.rest("POST", "/messages", { topic: "secret/1", payload: "s", retain: true });
  const key = await broker.token({
    scopes: ["messages"],
    acl: [{ actions: ["publish", "subscribe"], topic: "data/#" }],
  });
  for (const filter of ["#", "secret/1", "+/1", "$share/g/#"]) {
    const { body } = await broker.restAs(key, "GET", `/retained?filter=${encodeURIComponent(filter)}`);
    expect(body["items"] ?? []).toEqual([]);
  }
  await broker.restAs(key, "DELETE", "/retained?filter=%23");
  const reader = await broker.connect({
    password: await broker.token({ acl: [everything] }),
    clientId: "reader",
  });
  await reader.subscribe("secret/#");
  expect(textOf(await reader.receive("publish"))).toBe("s");
});
