import type { TokenCreate } from "@weir/api";
import { ReasonCode } from "@weir/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ADMIN_KEY, problem, RestFixture } from "../../testing/rest-fixture.ts";

let rest: RestFixture;

beforeEach(async () => {
  rest = await RestFixture.open();
});

afterEach(() => rest.close());

const readOwn: TokenCreate = { subject: "u1", acl: [{ actions: ["subscribe"], topic: "data/${subject}/#" }] };

it("the admin token may be any text", async () => {
  const key = "süß und wässrig: 水の管理者 -- 32 characters";
  const other = rest.openTokenAccess();
  await other.open(key);
  await other.close();
  expect(await rest.clientOf(key).tokens.self()).toMatchObject({ name: "admin" });
});

describe("tokens", () => {
  it("POST makes one: 201, the whole object, the key this once", async () => {
    const made = await rest.call("POST", "/api/v1/tokens", {
      body: JSON.stringify({ ...readOwn, ttl: 60, metadata: { a: [1] } }),
    });
    expect(made).toMatchObject({
      status: 201,
      body: {
        ...readOwn,
        tenant: "default",
        name: "",
        policies: [],
        ttl: 60,
        enabled: true,
        scopes: [],
        limits: {},
        clientIds: [],
        origins: [],
        networks: [],
        metadata: { a: [1] },
        createdAt: "2026-01-01T00:00:00.000Z",
      },
    });
    const { id, key, mintedBy } = made.body as Record<string, string>;
    expect(key).toMatch(new RegExp(`^weir_${id}_[\\w-]{43}$`));
    expect(mintedBy).toBe((await rest.admin.tokens.self()).id);
    expect(made.headers.get("location")).toBe(`/api/v1/tokens/${id}`);
    expect(await rest.admin.tokens.get(id as string)).not.toHaveProperty("key");
  });

  it("GET lists them by pages, in order of creation, without keys", async () => {
    const made: string[] = [(await rest.admin.tokens.self()).id];
    for (let i = 0; i < 4; i++) {
      rest.clock.advance(1);
      made.push((await rest.admin.tokens.create({ name: `n${i}` })).id);
    }
    const first = await rest.admin.tokens.list({ limit: 2 });
    const second = await rest.admin.tokens.list({ limit: 2, cursor: first.next as string });
    const third = await rest.admin.tokens.list({ limit: 2, cursor: second.next as string });
    const items = [...first.items, ...second.items, ...third.items];
    expect(items.map((token) => token.id)).toEqual(made);
    expect(third).not.toHaveProperty("next");
    expect(items.some((token) => "key" in token)).toBe(false);
  });

  it("PATCH is a merge patch: acl as a whole, null takes away, the rest stays", async () => {
    const { id } = await rest.admin.tokens.create({
      ...readOwn,
      name: "a",
      ttl: 60,
      metadata: { keep: 1, drop: 2, deep: { x: 1 } },
    });
    const acl: TokenCreate["acl"] = [{ effect: "deny", actions: ["publish"], topic: "x" }];
    const patched = await rest.admin.tokens.update(id, {
      acl,
      ttl: null,
      metadata: { drop: null, deep: { y: 2 } },
    });
    expect(patched).toMatchObject({
      name: "a",
      subject: "u1",
      acl,
      metadata: { keep: 1, deep: { x: 1, y: 2 } },
    });
    expect(patched.metadata).not.toHaveProperty("drop");
    expect(patched).not.toHaveProperty("ttl");
    expect(await rest.admin.tokens.get(id)).toMatchObject({ acl });
  });

  it("PATCH lets open sessions follow before it answers; what never changes is refused", async () => {
    const { id, key } = await rest.admin.tokens.create(readOwn);
    const session = await rest.openSession("s1", key);
    await rest.admin.tokens.update(id, { acl: [] });
    expect(session.principal.policy.canRead("data/u1/x", ["data", "u1", "x"])).toBe(false);
    for (const name of ["subject", "tenant", "id", "realm", "createdAt"]) {
      expect(
        await rest.call("PATCH", `/api/v1/tokens/${id}`, { body: `{"${name}": "other"}` }),
      ).toMatchObject(problem(400, "invalid", `${name}: never changes`));
    }
    expect(await rest.admin.tokens.update(id, { subject: "u1", enabled: false })).toMatchObject({
      enabled: false,
    });
    expect(session.ended).toBe("disabled");
  });

  it("DELETE ends connections; with sessions=true its sessions go, too", async () => {
    const { id, key } = await rest.admin.tokens.create(readOwn);
    const session = await rest.openSession("s1", key);
    await rest.admin.tokens.delete(id, { sessions: true });
    expect(session.ended).toBe("deleted");
    expect(rest.ended).toEqual([{ id: "s1", reasonCode: ReasonCode.administrativeAction, forget: true }]);
    expect(await rest.call("GET", `/api/v1/tokens/${id}`)).toMatchObject(problem(404, "not-found"));
    expect(await rest.call("DELETE", `/api/v1/tokens/${id}`)).toMatchObject(problem(404, "not-found"));
  });

  it.each([
    [{ acl: [{ actions: ["subscribe"], topic: "a/#/b" }] }, /^acl\[0\]\.topic: "a\/#\/b" has a "#"/],
    [{ acl: [{ actions: ["fly"], topic: "a" }] }, /^acl\[0\]\.actions: holds "fly"/],
    [
      { acl: [{ actions: ["subscribe"], topic: "a/${clientId}" }] },
      /^acl: uses \$\{clientId\}, so clientIds/,
    ],
    [
      { acl: [{ actions: ["subscribe"], topic: "a/${clientId}" }], clientIds: ["*"] },
      /^acl: uses \$\{clientId\}/,
    ],
    [{ acl: "x" }, /^acl: must be array/],
    [{ unknown: 1 }, /^unknown: is not known$/],
    [{ limits: { speed: 1 } }, /^limits\.speed: is not known$/],
    [{ ttl: 0 }, /^ttl: must be >= 1/],
    [{ ttl: "1" }, /^ttl: must be integer/],
    [{ expiresAt: "tomorrow" }, /^expiresAt: /],
    [{ expiresAt: "2027-02-30T00:00:00Z" }, /^expiresAt: /],
    [{ expiresAt: "2025-12-31T00:00:00Z" }, /^expiresAt: is past$/],
    [{ networks: ["10.0.0.1/8"] }, /^networks\[0\]: must look like 10\.0\.0\.0\/8/],
    [{ origins: ["https://a.example.com/path"] }, /^origins\[0\]: must look like https:/],
    [{ scopes: ["all"] }, /^scopes\[0\]: must be one of tokens, sessions/],
    [{ policies: ["p"] }, /^policies\[0\]: there is no policy p/],
    [{ username: "u" }, /^password: is needed/],
    [{ username: "u\u0000", password: "p" }, /^username: must have/],
    [{ password: "p" }, /^password: needs a username/],
    [{ tenant: "other" }, /^tenant: is default, the caller's own/],
    [{ subject: "a\u0000b" }, /^subject: holds a character/],
    [[], /^the body: must be object/],
  ])("POST %j is 400 invalid and says why", async (body, detail) => {
    const answer = await rest.call("POST", "/api/v1/tokens", { body: JSON.stringify(body) });
    expect(answer).toMatchObject(problem(400, "invalid"));
    expect((answer.body as { detail: string }).detail).toMatch(detail);
  });

  it("POST with metadata above the bound is 400 invalid", async () => {
    const body = JSON.stringify({ metadata: { x: "y".repeat(20_000) } });
    expect(await rest.call("POST", "/api/v1/tokens", { body })).toMatchObject(
      problem(400, "invalid", "metadata: is longer than 16384 characters"),
    );
  });

  it("unknown query parameters are refused, never ignored", async () => {
    const { id } = await rest.admin.tokens.create({});
    expect(await rest.call("DELETE", `/api/v1/tokens/${id}?revoked=keep`)).toMatchObject(
      problem(400, "invalid", "revoked: is not known"),
    );
    expect(await rest.call("GET", "/api/v1/tokens?tenant=x")).toMatchObject(
      problem(404, "not-found", "there is no such tenant"),
    );
    expect(await rest.call("GET", "/api/v1/tokens?limit=0")).toMatchObject(problem(400, "invalid"));
  });
});

describe("who may call", () => {
  it("no credential, a wrong one, a disabled one: 401 with WWW-Authenticate", async () => {
    const { id, key } = await rest.admin.tokens.create({ scopes: ["admin"] });
    await rest.admin.tokens.update(id, { enabled: false });
    for (const shown of ["", "wrong", key]) {
      const answer = await rest.call("GET", "/api/v1/tokens/self", { key: shown });
      expect(answer).toMatchObject(problem(401, "unauthenticated"));
      expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="weir"');
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
    }
    const basic = { authorization: `Basic ${Buffer.from(`x:${ADMIN_KEY}`).toString("base64")}` };
    expect(await rest.call("GET", "/api/v1/tokens", { key: "", headers: basic })).toMatchObject(
      problem(401, "unauthenticated"),
    );
  });

  it("a token without scopes reads itself and nothing else: 403 scope", async () => {
    const { key, id } = await rest.admin.tokens.create(readOwn);
    expect((await rest.clientOf(key).tokens.self()).id).toBe(id);
    for (const [method, path] of [
      ["GET", "/tokens"],
      ["GET", `/tokens/${id}`],
      ["DELETE", `/tokens/${id}`],
      ["GET", "/sessions"],
      ["DELETE", "/sessions?clientId=x"],
    ] as const) {
      expect(await rest.call(method, `/api/v1${path}`, { key })).toMatchObject(problem(403, "scope"));
    }
    expect(await rest.call("POST", "/api/v1/tokens", { key, body: "{}" })).toMatchObject(
      problem(403, "scope"),
    );
    expect(
      await rest.call("POST", "/api/v1/messages", { key, body: '{"topic":"a","payload":""}' }),
    ).toMatchObject(problem(403, "scope"));
  });

  it("a token of another network is not accepted", async () => {
    const { key } = await rest.admin.tokens.create({ networks: ["192.0.2.0/24"] });
    expect(await rest.call("GET", "/api/v1/tokens/self", { key })).toMatchObject(
      problem(401, "unauthenticated"),
    );
  });
});
