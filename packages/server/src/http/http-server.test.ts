import { connect, type Socket } from "node:net";
import { createWeirClient, ProblemError, type TokenCreate, type WeirClient } from "@weir/api";
import { ReasonCode } from "@weir/protocol";
import { FakeClock } from "@weir/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BackupAdmin } from "../admin/backup-admin.ts";
import { MessageAdmin } from "../admin/message-admin.ts";
import type { PublishOutcome, PublishRequest } from "../core/session/broker-core.ts";
import { type AdminSession, SessionAdmin, type SessionView } from "../admin/session-admin.ts";
import { TokenAdmin } from "../admin/token-admin.ts";
import { isLocalRequest } from "../auth/known-host.ts";
import { TokenAccess } from "../auth/token-access.ts";
import type { Principal, PrincipalEnd } from "../core/access/principal.ts";
import { EngineError } from "../core/ports/engine.ts";
import { createCounters } from "../core/ports/telemetry.ts";
import { type MemoryEngine, openMemoryEngine } from "../engine/memory/memory-engine.ts";
import { createLogger } from "../telemetry/logger.ts";
import { Metrics } from "../telemetry/metrics.ts";
import { createHttpServer, type HttpServer } from "./http-server.ts";

const ADMIN_KEY = "an admin token of at least 32 characters";
const MAX_PAYLOAD_BYTES = 1_000;

class FakeSession implements AdminSession {
  readonly id: string;
  readonly principal: Principal;
  isConnected = true;
  ended: PrincipalEnd | undefined;

  constructor(id: string, principal: Principal) {
    this.id = id;
    this.principal = principal;
  }

  get clientId(): string {
    return this.principal.clientId;
  }

  policyChanged(): void {}

  endPrincipal(why: PrincipalEnd): void {
    this.ended = why;
    this.isConnected = false;
  }

  view(): SessionView {
    const { identity, tokenId, tenant, clientId } = this.principal;
    const subscription = {
      filter: "#",
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      effective: ["data/u1/#"],
    };
    return {
      id: this.id,
      clientId,
      identity,
      tokenId,
      tenant,
      connected: this.isConnected,
      protocolVersion: 5,
      connectedSinceMs: 0,
      sessionExpiryS: 60,
      subscriptions: [subscription],
      queued: 3,
      inFlight: 2,
      dropped: 1,
    };
  }
}

let clock: FakeClock;
let engine: MemoryEngine;
let access: TokenAccess;
let http: HttpServer;
let metrics: Metrics;
let url: string;
let admin: WeirClient;
let sessions: FakeSession[];
let ended: { id: string; reasonCode: number; forget: boolean }[];
let published: PublishRequest[];
let publishing: () => Promise<PublishOutcome>;
let output: string;
let isReady: boolean;

function clientOf(token: string): WeirClient {
  return createWeirClient({ url, token });
}

const directory = {
  list: () => sessions,
  get: (_tenant: string, id: string) => sessions.find((session) => session.id === id),
  ofToken: (_tenant: string, tokenId: string) =>
    sessions.filter((session) => session.principal.tokenId === tokenId),
  ofPrincipal: (principal: Principal) => sessions.find((session) => session.principal === principal),
  end: async (session: FakeSession, reasonCode: ReasonCode, forget: boolean) => {
    ended.push({ id: session.id, reasonCode, forget });
    session.isConnected = false;
    if (forget) sessions = sessions.filter((other) => other !== session);
  },
};

beforeEach(async () => {
  clock = new FakeClock({ soon: "immediate" });
  engine = openMemoryEngine({ clock });
  [sessions, ended, published, output, isReady] = [[], [], [], "", true];
  publishing = async () => ({ kind: "accepted" });
  const logger = createLogger({
    level: "debug",
    stream: { write: (line) => (output += line) },
    secrets: [ADMIN_KEY],
  });
  access = new TokenAccess({
    kv: (bucket) => engine.kv(bucket),
    clock,
    logger,
    tenant: "default",
    anonymous: undefined,
    sessions: () => directory,
  });
  await access.open(ADMIN_KEY);
  access.start();
  const sessionAdmin = new SessionAdmin(directory);
  const core = {
    publish: (request: PublishRequest) => {
      published.push(request);
      return publishing();
    },
  };
  const gauges = {
    connections: () => 7,
    handshakes: () => 0,
    connectsWaiting: () => 0,
    sessions: () => 8,
    subscriptions: () => 9,
    retained: () => 1,
    queued: () => 0,
    logBytes: () => 0,
    isDiskFull: () => false,
  };
  metrics = new Metrics(createCounters(), gauges);
  http = await createHttpServer({
    version: "0.0.0",
    tokens: new TokenAdmin({ tokens: access.store, sessions: sessionAdmin, clock }),
    sessions: sessionAdmin,
    messages: new MessageAdmin(core, {
      maxPacketBytes: MAX_PAYLOAD_BYTES,
      maxTopicBytes: 100,
      maxTopicLevels: 8,
    }),
    backups: new BackupAdmin({ store: undefined, clock, logger }),
    metrics,
    logger,
    objects: [],
    authorization: {
      authenticate: (authorization, from) => access.authenticator.authenticateCaller(authorization, from),
      hasTenant: (name) => name === "default",
      refused: () => {},
    },
    readiness: () => ({ ready: isReady, problems: isReady ? [] : ["sessions still recover"] }),
    isLocal: (request) => isLocalRequest(request, []),
  });
  const address = await http.listen({ host: "127.0.0.1", port: 0 });
  url = `http://127.0.0.1:${address.port}`;
  admin = clientOf(ADMIN_KEY);
});

afterEach(async () => {
  await http.close();
  await access.close();
  metrics.close();
  await engine.close();
});

async function openSession(id: string, key: string, clientId = `client-${id}`): Promise<FakeSession> {
  const outcome = await access.authenticator.authenticate({
    peer: { transport: "tcp", address: "127.0.0.1", port: 1 },
    clientId,
    username: undefined,
    authenticationMethod: undefined,
    authenticationData: undefined,
    password: Buffer.from(key),
  });
  if (outcome.kind === "refused") throw new Error(outcome.reason);
  const session = new FakeSession(id, outcome.principal);
  sessions.push(session);
  return session;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

async function call(
  method: string,
  path: string,
  options: { body?: string | Uint8Array; headers?: Record<string, string>; key?: string } = {},
): Promise<Answer> {
  const { body, headers = {}, key = ADMIN_KEY } = options;
  const authorization: Record<string, string> = key === "" ? {} : { authorization: `Bearer ${key}` };
  const response = await fetch(url + path, {
    method,
    headers: { ...authorization, ...headers },
    ...(body !== undefined && { body: body as never }),
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? (JSON.parse(text) as unknown) : text,
  };
}

function problem(status: number, code: string, detail?: string): object {
  return {
    status,
    body: expect.objectContaining({ status, code, ...(detail !== undefined && { detail }) }) as object,
  };
}

const readOwn: TokenCreate = { subject: "u1", acl: [{ actions: ["subscribe"], topic: "data/${subject}/#" }] };

describe("tokens", () => {
  it("POST makes one: 201, the whole object, the key this once", async () => {
    const made = await call("POST", "/api/v1/tokens", {
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
    expect(mintedBy).toBe((await admin.tokens.self()).id);
    expect(made.headers.get("location")).toBe(`/api/v1/tokens/${id}`);
    expect(await admin.tokens.get(id as string)).not.toHaveProperty("key");
  });

  it("GET lists them by pages, in order of creation, without keys", async () => {
    const made: string[] = [(await admin.tokens.self()).id];
    for (let i = 0; i < 4; i++) {
      clock.advance(1);
      made.push((await admin.tokens.create({ name: `n${i}` })).id);
    }
    const first = await admin.tokens.list({ limit: 2 });
    const second = await admin.tokens.list({ limit: 2, cursor: first.next as string });
    const third = await admin.tokens.list({ limit: 2, cursor: second.next as string });
    const items = [...first.items, ...second.items, ...third.items];
    expect(items.map((token) => token.id)).toEqual(made);
    expect(third).not.toHaveProperty("next");
    expect(items.some((token) => "key" in token)).toBe(false);
  });

  it("PATCH is a merge patch: acl as a whole, null takes away, the rest stays", async () => {
    const { id } = await admin.tokens.create({
      ...readOwn,
      name: "a",
      ttl: 60,
      metadata: { keep: 1, drop: 2, deep: { x: 1 } },
    });
    const acl: TokenCreate["acl"] = [{ effect: "deny", actions: ["publish"], topic: "x" }];
    const patched = await admin.tokens.update(id, {
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
    expect(await admin.tokens.get(id)).toMatchObject({ acl });
  });

  it("PATCH lets open sessions follow before it answers; what never changes is refused", async () => {
    const { id, key } = await admin.tokens.create(readOwn);
    const session = await openSession("s1", key);
    await admin.tokens.update(id, { acl: [] });
    expect(session.principal.policy.canRead("data/u1/x", ["data", "u1", "x"])).toBe(false);
    for (const name of ["subject", "tenant", "id", "realm", "createdAt"]) {
      expect(await call("PATCH", `/api/v1/tokens/${id}`, { body: `{"${name}": "other"}` })).toMatchObject(
        problem(400, "invalid", `${name}: never changes`),
      );
    }
    expect(await admin.tokens.update(id, { subject: "u1", enabled: false })).toMatchObject({
      enabled: false,
    });
    expect(session.ended).toBe("disabled");
  });

  it("DELETE ends connections; with sessions=true its sessions go, too", async () => {
    const { id, key } = await admin.tokens.create(readOwn);
    const session = await openSession("s1", key);
    await admin.tokens.delete(id, { sessions: true });
    expect(session.ended).toBe("deleted");
    expect(ended).toEqual([{ id: "s1", reasonCode: ReasonCode.administrativeAction, forget: true }]);
    expect(await call("GET", `/api/v1/tokens/${id}`)).toMatchObject(problem(404, "not-found"));
    expect(await call("DELETE", `/api/v1/tokens/${id}`)).toMatchObject(problem(404, "not-found"));
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
    [{ mint: {} }, /^mint: is not available yet/],
    [{ limits: { connections: 1 } }, /^limits: is not available yet/],
    [{ policies: ["p"] }, /^policies: is not available yet/],
    [{ username: "u" }, /^username: is not available yet/],
    [{ password: "p" }, /^password: is not available yet/],
    [{ tenant: "other" }, /^tenant: other tenants than default/],
    [{ subject: "a\u0000b" }, /^subject: holds a character/],
    [[], /^the body: must be object/],
  ])("POST %j is 400 invalid and says why", async (body, detail) => {
    const answer = await call("POST", "/api/v1/tokens", { body: JSON.stringify(body) });
    expect(answer).toMatchObject(problem(400, "invalid"));
    expect((answer.body as { detail: string }).detail).toMatch(detail);
  });

  it("POST with metadata above the bound is 400 invalid", async () => {
    const body = JSON.stringify({ metadata: { x: "y".repeat(20_000) } });
    expect(await call("POST", "/api/v1/tokens", { body })).toMatchObject(
      problem(400, "invalid", "metadata: is longer than 16384 characters"),
    );
  });

  it("unknown query parameters are refused, never ignored", async () => {
    const { id } = await admin.tokens.create({});
    expect(await call("DELETE", `/api/v1/tokens/${id}?minted=keep`)).toMatchObject(
      problem(400, "invalid", "minted: is not known"),
    );
    expect(await call("GET", "/api/v1/tokens?tenant=x")).toMatchObject(
      problem(403, "scope", "another tenant than one's own needs the scope tenants"),
    );
    expect(await call("GET", "/api/v1/tokens?limit=0")).toMatchObject(problem(400, "invalid"));
  });
});

describe("who may call", () => {
  it("no credential, a wrong one, a disabled one: 401 with WWW-Authenticate", async () => {
    const { id, key } = await admin.tokens.create({ scopes: ["admin"] });
    await admin.tokens.update(id, { enabled: false });
    for (const shown of ["", "wrong", key]) {
      const answer = await call("GET", "/api/v1/tokens/self", { key: shown });
      expect(answer).toMatchObject(problem(401, "unauthenticated"));
      expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="weir"');
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
    }
    const basic = { authorization: `Basic ${Buffer.from(`x:${ADMIN_KEY}`).toString("base64")}` };
    expect(await call("GET", "/api/v1/tokens", { key: "", headers: basic })).toMatchObject(
      problem(401, "unauthenticated"),
    );
  });

  it("a token without scopes reads itself and nothing else: 403 scope", async () => {
    const { key, id } = await admin.tokens.create(readOwn);
    expect((await clientOf(key).tokens.self()).id).toBe(id);
    for (const [method, path] of [
      ["GET", "/tokens"],
      ["GET", `/tokens/${id}`],
      ["DELETE", `/tokens/${id}`],
      ["GET", "/sessions"],
      ["DELETE", "/sessions?clientId=x"],
    ] as const) {
      expect(await call(method, `/api/v1${path}`, { key })).toMatchObject(problem(403, "scope"));
    }
    expect(await call("POST", "/api/v1/tokens", { key, body: "{}" })).toMatchObject(problem(403, "scope"));
    expect(await call("POST", "/api/v1/messages", { key, body: '{"topic":"a","payload":""}' })).toMatchObject(
      problem(403, "scope"),
    );
  });

  it("a token of another network is not accepted", async () => {
    const { key } = await admin.tokens.create({ networks: ["192.0.2.0/24"] });
    expect(await call("GET", "/api/v1/tokens/self", { key })).toMatchObject(problem(401, "unauthenticated"));
  });
});

describe("sessions", () => {
  beforeEach(async () => {
    const first = await admin.tokens.create({ subject: "u1" });
    const second = await admin.tokens.create({ subject: "u2" });
    await openSession("b", first.key);
    await openSession("a", second.key);
    await openSession("c", first.key);
    (sessions[2] as FakeSession).isConnected = false;
  });

  it("GET lists them by pages in the order of their ids, with what they may read", async () => {
    const first = await admin.sessions.list({ limit: 2 });
    expect(first.items.map((session) => session.id)).toEqual(["a", "b"]);
    expect(first.items[0]).toMatchObject({
      clientId: "client-a",
      identity: { realm: "token", subject: "u2" },
      tenant: "default",
      protocol: "5.0",
      connected: true,
      connectedSince: "1970-01-01T00:00:00.000Z",
      queued: 3,
      inFlight: 2,
      dropped: 1,
      subscriptions: [{ filter: "#", qos: 1, effective: ["data/u1/#"] }],
    });
    const second = await admin.sessions.list({ limit: 2, cursor: first.next as string });
    expect(second.items.map((session) => session.id)).toEqual(["c"]);
  });

  it("GET filters by clientId, subject, token, connected", async () => {
    const ids = async (query: Parameters<typeof admin.sessions.list>[0]): Promise<string[]> =>
      (await admin.sessions.list(query)).items.map((session) => session.id);
    expect(await ids({ clientId: "client-b" })).toEqual(["b"]);
    expect(await ids({ subject: "u1" })).toEqual(["b", "c"]);
    expect(await ids({ token: sessions[1]?.principal.tokenId as string })).toEqual(["a"]);
    expect(await ids({ connected: false })).toEqual(["c"]);
    expect(await ids({ subject: "u1", connected: true })).toEqual(["b"]);
  });

  it("DELETE disconnects and deletes; state=keep only disconnects; many by a filter", async () => {
    await admin.sessions.delete("a", { state: "keep" });
    expect((await admin.sessions.get("a")).connected).toBe(false);
    await admin.sessions.delete("a");
    expect(await call("GET", "/api/v1/sessions/a")).toMatchObject(problem(404, "not-found"));
    expect(await admin.sessions.deleteMany({ subject: "u1" })).toEqual({ count: 2 });
    expect(ended.map(({ id, forget }) => [id, forget])).toEqual([
      ["a", false],
      ["a", true],
      ["b", true],
      ["c", true],
    ]);
  });

  it("DELETE of many without a filter is refused", async () => {
    expect(await call("DELETE", "/api/v1/sessions")).toMatchObject(problem(400, "invalid"));
    expect(await call("DELETE", "/api/v1/sessions?state=keep")).toMatchObject(problem(400, "invalid"));
    expect(ended).toEqual([]);
  });
});

describe("messages", () => {
  it("POST publishes as the caller, bounded by its ACL", async () => {
    const { key } = await admin.tokens.create({
      subject: "u1",
      scopes: ["messages"],
      acl: [{ actions: ["publish"], topic: "data/${subject}/#" }],
    });
    await clientOf(key).messages.publish({
      topic: "data/u1/x",
      payload: { a: 1 },
      qos: 1,
      retain: true,
      expiry: 60,
      contentType: "application/json",
      responseTopic: "data/u1/r",
      correlationData: "c",
      userProperties: [
        ["k", "1"],
        ["k", "2"],
      ],
    });
    const { principal, ...request } = published[0] as PublishRequest;
    expect(request).toEqual({
      tenant: "default",
      topic: "data/u1/x",
      payload: Buffer.from('{"a":1}'),
      qos: 1,
      retain: true,
      expiryS: 60,
      properties: {
        contentType: "application/json",
        responseTopic: "data/u1/r",
        correlationData: Buffer.from("c"),
        userProperties: [
          ["k", "1"],
          ["k", "2"],
        ],
      },
    });
    expect(principal).toMatchObject({ identity: { realm: "token", subject: "u1" } });
    expect(principal?.policy.checkPublish("data/u2/x", ["data", "u2", "x"], 0, false)).toBe("denied");
  });

  it.each([
    [{ topic: "a", payload: "text" }, "text"],
    [{ topic: "a", payload: "" }, ""],
    [{ topic: "a", payload: null }, "null"],
    [{ topic: "a", payload: [1, "x"] }, '[1,"x"]'],
    [{ topic: "a", payloadBase64: "AAECAw==" }, "\u0000\u0001\u0002\u0003"],
  ])("POST %j sends its payload", async (body, payload) => {
    expect(await call("POST", "/api/v1/messages", { body: JSON.stringify(body) })).toMatchObject({
      status: 200,
      body: {},
    });
    expect(Buffer.from((published[0] as PublishRequest).payload).toString()).toBe(payload);
  });

  it.each([
    [{ topic: "a/+", payload: "" }, /^topic: must be a topic/],
    [{ topic: "a/#", payload: "" }, /^topic: must be a topic/],
    [{ topic: "", payload: "" }, /^topic: /],
    [{ topic: "a\u0000", payload: "" }, /^topic: /],
    [{ topic: `${"x".repeat(100)}y`, payload: "" }, /^topic: /],
    [{ topic: "a/b/c/d/e/f/g/h/i", payload: "" }, /^topic: /],
    [{ topic: "a", payload: "", responseTopic: "r/#" }, /^responseTopic: /],
    [{ topic: "a" }, /^give one of payload and payloadBase64/],
    [{ topic: "a", payload: "", payloadBase64: "" }, /^give one of payload and payloadBase64/],
    [{ topic: "a", payloadBase64: "!" }, /^payloadBase64: is not base64/],
    [{ topic: "a", payload: "", qos: 3 }, /^qos: must be <= 2/],
    [{ topic: "a", payload: "", dup: true }, /^dup: is not known/],
    [{ payload: "" }, /^the body: must have required properties topic/],
  ])("POST %j is 400 invalid and says why", async (body, detail) => {
    const answer = await call("POST", "/api/v1/messages", { body: JSON.stringify(body) });
    expect(answer).toMatchObject(problem(400, "invalid"));
    expect((answer.body as { detail: string }).detail).toMatch(detail);
    expect(published).toEqual([]);
  });

  it("what the core and the engine refuse is told: 403 acl, 503 unavailable, 503 not-durable", async () => {
    const body = '{"topic":"a","payload":""}';
    publishing = async () => ({
      kind: "refused",
      reasonCode: ReasonCode.notAuthorized,
      reason: "not authorized",
    });
    expect(await call("POST", "/api/v1/messages", { body })).toMatchObject(
      problem(403, "acl", "not authorized"),
    );
    publishing = async () => ({ kind: "refused", reasonCode: ReasonCode.quotaExceeded, reason: "full" });
    expect(await call("POST", "/api/v1/messages", { body })).toMatchObject(problem(503, "unavailable"));
    publishing = () => Promise.reject(new EngineError("timeout", "t", true));
    expect(await call("POST", "/api/v1/messages", { body })).toMatchObject(problem(503, "not-durable"));
    publishing = () => Promise.reject(new EngineError("full", "t"));
    expect(await call("POST", "/api/v1/messages", { body })).toMatchObject(problem(503, "unavailable"));
    publishing = () => Promise.reject(new Error(`a mistake that quotes ${ADMIN_KEY}`));
    const internal = await call("POST", "/api/v1/messages", { body });
    expect(internal).toMatchObject(problem(500, "internal"));
    expect(JSON.stringify(internal.body)).not.toContain("mistake that quotes");
  });

  it("PUT /topics/{topic} publishes the body as it is", async () => {
    const body = new Uint8Array([0, 255, 123]);
    const put = await call("PUT", "/api/v1/topics//a%20b/c?retain=true&qos=1", {
      body,
      headers: { "content-type": "image/png" },
    });
    expect(put.status).toBe(200);
    expect(published[0]).toMatchObject({
      topic: "/a b/c",
      retain: true,
      qos: 1,
      properties: { contentType: "image/png" },
    });
    expect([...(published[0] as PublishRequest).payload]).toEqual([...body]);
    expect(await call("PUT", "/api/v1/topics/a%2B?retain=1")).toMatchObject(problem(400, "invalid"));
    expect(await call("PUT", "/api/v1/topics/a?retain=perhaps")).toMatchObject(problem(400, "invalid"));
  });

  it("a payload above the maximum is 413 too-large", async () => {
    const tooLarge = new Uint8Array(MAX_PAYLOAD_BYTES + 1);
    expect(await call("PUT", "/api/v1/topics/a", { body: tooLarge })).toMatchObject(
      problem(413, "too-large"),
    );
    const body = JSON.stringify({ topic: "a", payload: "x".repeat(MAX_PAYLOAD_BYTES + 1) });
    expect(await call("POST", "/api/v1/messages", { body })).toMatchObject(problem(413, "too-large"));
    const huge = JSON.stringify({ topic: "a", payload: "x".repeat(1_000_000) });
    expect(await call("POST", "/api/v1/messages", { body: huge })).toMatchObject(problem(413, "too-large"));
  });
});

describe("the typed client", () => {
  it("throws ProblemError with status, code and detail", async () => {
    const error = await admin.tokens.get("nothing").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({ status: 404, code: "not-found", detail: "there is no token with this id" });
  });

  it("refuses a URL that is none, and takes one with a path or a slash", async () => {
    expect(() => createWeirClient({ url: "localhost:8080", token: "t" })).toThrow(
      "is not an http or https URL",
    );
    expect(await createWeirClient({ url: `${url}/`, token: ADMIN_KEY }).tokens.self()).toHaveProperty("id");
    expect(await createWeirClient({ url: `${url}/api/v1`, token: ADMIN_KEY }).tokens.self()).toHaveProperty(
      "id",
    );
  });
});

describe("everything else", () => {
  it("JSON that is none, and poisoned JSON, are 400 without a quotation", async () => {
    for (const body of ["{", '{"__proto__": {"x": 1}}', '"secret', ""]) {
      const answer = await call("POST", "/api/v1/tokens", { body });
      expect(answer).toMatchObject(problem(400, "invalid"));
      expect(JSON.stringify(answer.body)).not.toContain("secret");
    }
  });

  it("JSON nested more than 32 levels deep is 400, however deep it is", async () => {
    for (const levels of [31, 32, 200_000]) {
      const metadata = `${'{"a":'.repeat(levels - 1)}1${"}".repeat(levels - 1)}`;
      const answer = await call("POST", "/api/v1/tokens", { body: `{"metadata":${metadata}}` });
      expect(answer.status).toBe(levels > 32 ? 400 : 201);
    }
    const payload = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    const message = await call("POST", "/api/v1/messages", { body: `{"topic":"a","payload":${payload}}` });
    expect(message).toMatchObject(problem(400, "invalid"));
  });

  it("an unknown path is a 404 problem, bytes that are no HTTP a 400 problem", async () => {
    expect(await call("GET", "/nothing")).toMatchObject(problem(404, "not-found"));
    expect(await call("GET", "/api/v1/nothing")).toMatchObject(problem(404, "not-found"));
    expect(await call("GET", "/%zz")).toMatchObject(problem(400, "invalid"));
    const answer = await exchange("NOT HTTP\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json.*"code":"invalid"/s);
  });

  it("/healthz is open, /readyz says what still recovers", async () => {
    expect(await call("GET", "/healthz", { key: "" })).toMatchObject({ status: 200, body: { status: "ok" } });
    expect(await call("GET", "/readyz", { key: "" })).toMatchObject({ status: 200, body: { problems: [] } });
    isReady = false;
    expect(await call("GET", "/readyz", { key: "" })).toMatchObject({
      status: 503,
      body: { problems: ["sessions still recover"] },
    });
  });

  it("/metrics is open to this machine, else it needs the scope", async () => {
    const local = await call("GET", "/metrics", { key: "" });
    expect(local.status).toBe(200);
    for (const name of [
      "connections 7",
      "sessions 8",
      'messages_received_total{qos="0"} 0',
      'messages_sent_total{qos="2"} 0',
    ]) {
      expect(local.body).toContain(`weir_${name}`);
    }
    for (const name of [
      "messages_dropped_total",
      "publish_denied_total",
      "auth_failures_total",
      "log_bytes",
      "queue_messages",
      "engine_commit_seconds",
      "event_loop_delay_seconds",
    ]) {
      expect(local.body).toContain(`# TYPE weir_${name} `);
    }
    const proxied = { "x-forwarded-for": "192.0.2.1" };
    expect(await call("GET", "/metrics", { key: "", headers: proxied })).toMatchObject(
      problem(401, "unauthenticated"),
    );
    const { key } = await admin.tokens.create({ scopes: ["metrics"] });
    expect((await call("GET", "/metrics", { key, headers: proxied })).status).toBe(200);
    const other = await admin.tokens.create({});
    expect(await call("GET", "/metrics", { key: other.key, headers: proxied })).toMatchObject(
      problem(403, "scope"),
    );
  });

  it("/metrics is closed to a web page whose name was pointed here", async () => {
    const answer = await exchange(
      "GET /metrics HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\n\r\n",
    );
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
  });

  it("pages can be added while it runs, and are served with a strict policy", async () => {
    http.addPage("/demo/", "text/html; charset=utf-8", "<!doctype html>");
    const page = await call("GET", "/demo/?x=1", { key: "" });
    expect(page).toMatchObject({ status: 200, body: "<!doctype html>" });
    expect(page.headers.get("content-security-policy")).toContain("script-src 'self'");
    expect(page.headers.get("x-content-type-options")).toBe("nosniff");
    const etag = page.headers.get("etag") as string;
    expect((await call("GET", "/demo/", { key: "", headers: { "if-none-match": etag } })).status).toBe(304);
    expect((await call("HEAD", "/demo/", { key: "" })).headers.get("content-length")).toBe("15");
    expect(await call("POST", "/demo/", { key: "" })).toMatchObject(problem(404, "not-found"));
  });

  it("/api/v1/openapi.json describes every call", async () => {
    const { body } = await call("GET", "/api/v1/openapi.json", { key: "" });
    const { openapi, paths } = body as { openapi: string; paths: Record<string, object> };
    expect(openapi).toBe("3.1.0");
    const calls = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(calls.sort()).toEqual([
      "delete /api/v1/sessions",
      "delete /api/v1/sessions/{id}",
      "delete /api/v1/tokens/{id}",
      "get /api/v1/backups",
      "get /api/v1/backups/{id}",
      "get /api/v1/sessions",
      "get /api/v1/sessions/{id}",
      "get /api/v1/tokens",
      "get /api/v1/tokens/self",
      "get /api/v1/tokens/{id}",
      "patch /api/v1/tokens/{id}",
      "post /api/v1/backups",
      "post /api/v1/messages",
      "post /api/v1/tokens",
      "put /api/v1/topics/{*}",
    ]);
  });

  it("close() does not wait for connections that were upgraded", async () => {
    http.server.on("upgrade", (_request, socket: Socket) =>
      socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    );
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await new Promise((resolve) => {
      socket.once("data", resolve);
      socket.write(
        "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
      );
    });
    await http.close(50);
    await closed;
  });

  it("a key appears in nothing but the answer that made it", async () => {
    const { id, key } = await admin.tokens.create({ ...readOwn, scopes: ["metrics"] });
    const secret = key.split("_").slice(2).join("_");
    await openSession("s1", key);
    const answers = [
      await call("GET", "/api/v1/tokens"),
      await call("GET", "/api/v1/tokens/self", { key }),
      await call("PATCH", `/api/v1/tokens/${id}`, { body: '{"name": "x"}' }),
      await call("GET", "/api/v1/sessions"),
      await call("GET", `/api/v1/tokens/${key}`),
      await call("GET", `/api/v1/tokens?${key}=1`, { key }),
      await call("GET", "/metrics"),
      await call("GET", `/nothing?token=${key}`),
      await call("GET", "/api/v1/tokens", { key: `${key}x` }),
      await call("DELETE", `/api/v1/tokens/${id}`),
    ];
    publishing = () => Promise.reject(new Error(`quotes ${key} and ${ADMIN_KEY}`));
    answers.push(await call("POST", "/api/v1/messages", { body: '{"topic":"a","payload":""}' }));
    const shown = answers.map((answer) => JSON.stringify([answer.body, [...answer.headers]]));
    expect(shown.filter((text) => text.includes(secret))).toEqual([]);
    expect(output).toContain("an http request failed");
    expect(output).not.toContain(secret);
    expect(output).not.toContain(ADMIN_KEY);
  });
});

function exchange(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(request));
    let answer = "";
    socket.on("data", (bytes) => (answer += bytes.toString()));
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}
