import { ReasonCode } from "@weir/protocol";
import { FakeClock } from "@weir/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AccessToken, type AccessTokenSettings, emptySettings } from "../core/access/access-token.ts";
import type { Authentication, Credentials } from "../core/access/authenticator.ts";
import { Policy } from "../core/access/policy.ts";
import type { Principal, PrincipalEnd } from "../core/access/principal.ts";
import type { Kv } from "../core/ports/engine.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import type { Peer } from "../core/ports/transport.ts";
import { openMemoryEngine } from "../engine/memory/memory-engine.ts";
import { onlyDefault } from "../../testing/only-default.ts";
import { AnonymousAccess } from "./anonymous-access.ts";
import { LoginFailures } from "./login-failures.ts";
import { TicketStore } from "./ticket-store.ts";
import { TokenAccess } from "./token-access.ts";

const ADMIN_KEY = "an admin token of at least 32 characters";
const LOCAL: Peer = { transport: "tcp", address: "127.0.0.1", port: 50_000 };

const settings: AccessTokenSettings = {
  ...emptySettings,
  acl: [{ actions: ["subscribe"], topic: "data/${subject}/#" }],
};

/** A session as far as tokens know it. */
class FakeSession {
  readonly principal: Principal;
  isConnected = true;
  changes = 0;
  endChanges = 0;
  readonly ends: PrincipalEnd[] = [];

  constructor(principal: Principal) {
    this.principal = principal;
  }

  policyChanged(): void {
    this.changes++;
  }

  limitsChanged(): void {}

  endChanged(): void {
    this.endChanges++;
  }

  endPrincipal(why: PrincipalEnd): void {
    this.principal.ended = why;
    this.isConnected = false;
    this.ends.push(why);
  }
}

let clock: FakeClock;
let sessions: FakeSession[];
let logged: string[];
let access: TokenAccess;
let buckets: (name: string) => Kv;
let kv: Kv;
let closeEngine: () => Promise<void>;

function openAccess(anonymous?: AnonymousAccess): TokenAccess {
  const note = (fields: object, text: string): void => void logged.push(JSON.stringify(fields) + text);
  const logger: Logger = { debug: note, info: note, warn: note, error: note };
  return new TokenAccess({
    kv: buckets,
    clock,
    logger,
    tenants: onlyDefault,
    anonymous,
    failures: new LoginFailures({ clock, freeFailures: 1_000, slowed: () => {} }),
    tickets: new TicketStore({ clock, maxTickets: 10, exceeded: () => {} }),
    sessions: () => ({
      list: () => sessions,
      ofToken: (_tenant, tokenId) => sessions.filter((session) => session.principal.tokenId === tokenId),
      ofPrincipal: (principal) => sessions.find((session) => session.principal === principal),
    }),
  });
}

beforeEach(async () => {
  clock = new FakeClock({ soon: "immediate" });
  const engine = openMemoryEngine({ clock });
  buckets = (name) => engine.kv(name);
  kv = buckets("tokens");
  closeEngine = () => engine.close();
  sessions = [];
  logged = [];
  access = openAccess();
  await access.open(ADMIN_KEY);
  access.start();
});

afterEach(async () => {
  await access.close();
  await closeEngine();
});

function createToken(
  change: Partial<AccessTokenSettings> = {},
  subject = "u1",
): Promise<{ token: AccessToken; key: string }> {
  return access.store.create({ tenant: "default", subject, mintedBy: undefined }, { ...settings, ...change });
}

function connect(
  shown: Partial<Omit<Credentials, "password">> & { password?: string },
  to = access,
): Promise<Authentication> {
  const { password, ...rest } = shown;
  return to.authenticator.authenticate({
    peer: LOCAL,
    clientId: "c1",
    username: undefined,
    authenticationMethod: undefined,
    authenticationData: undefined,
    ...rest,
    password: password === undefined ? undefined : Buffer.from(password),
  });
}

async function connectedSession(key: string): Promise<FakeSession> {
  const outcome = await connect({ password: key });
  if (outcome.kind !== "accepted") throw new Error(`refused: ${outcome.reason}`);
  const session = new FakeSession(outcome.principal);
  sessions.push(session);
  return session;
}

function canRead(principal: Principal, topic: string): boolean {
  return principal.policy.canRead(topic, topic.split("/"));
}

const refused = (reasonCode: ReasonCode): object =>
  expect.objectContaining({ kind: "refused", reasonCode }) as object;
const ACCEPTED = expect.objectContaining({ kind: "accepted" }) as object;

describe("a made token", () => {
  it("whose minting token is gone is worth nothing, and is removed at the next start", async () => {
    const owner = { tenant: "default", subject: "u1", mintedBy: "nobody", isMinted: true };
    const { token, key } = await access.store.create(owner, settings);
    expect(await connect({ password: key })).toEqual(refused(ReasonCode.badUserNameOrPassword));
    const next = openAccess();
    await next.open(ADMIN_KEY);
    expect(next.store.get(token.id)).toBeUndefined();
    await next.close();
  });
});

describe("CONNECT with an access token", () => {
  it("a password that is a key is accepted, and the user name is free", async () => {
    const { token, key } = await createToken();
    const outcome = await connect({ username: "anything", password: key });
    expect(outcome).toMatchObject({
      kind: "accepted",
      principal: {
        tenant: "default",
        identity: { realm: "token", subject: "u1" },
        tokenId: token.id,
        clientId: "c1",
      },
    });
  });

  it("a user name that is a key is accepted where there is no password", async () => {
    const { key } = await createToken();
    expect(await connect({ username: key })).toEqual(ACCEPTED);
    expect(await connect({ username: key, password: "wrong" })).toEqual(
      refused(ReasonCode.badUserNameOrPassword),
    );
    expect(await connect({ username: key, password: "" })).toEqual(refused(ReasonCode.badUserNameOrPassword));
  });

  it("Authorization: Bearer at the upgrade is used where CONNECT has no credential", async () => {
    const { key } = await createToken();
    const peer: Peer = { ...LOCAL, transport: "ws", upgrade: { authorization: `Bearer ${key}` } };
    expect(await connect({ peer })).toEqual(ACCEPTED);
    expect(await connect({ peer, username: "x" })).toEqual(refused(ReasonCode.badUserNameOrPassword));
    const basic: Peer = { ...peer, upgrade: { authorization: `Basic ${key}` } };
    expect(await connect({ peer: basic })).toEqual(refused(ReasonCode.notAuthorized));
  });

  it("no credential is 0x87, a wrong one 0x86, an authentication method 0x8C", async () => {
    const { key } = await createToken();
    expect(await connect({})).toEqual(refused(ReasonCode.notAuthorized));
    for (const wrong of ["", "x", `${key}x`, key.slice(0, -1), "weir__", "weir_unknown_secret"]) {
      expect(await connect({ password: wrong })).toEqual(refused(ReasonCode.badUserNameOrPassword));
    }
    expect(await connect({ password: key, authenticationMethod: "SCRAM-SHA-256" })).toEqual(
      refused(ReasonCode.badAuthenticationMethod),
    );
  });

  it("an unknown, a disabled and an expired token are refused alike", async () => {
    const disabled = await createToken({ enabled: false });
    const expired = await createToken({ expiresAtMs: clock.nowMs() + 1_000 });
    clock.advance(1_000);
    const outcomes = await Promise.all(
      [disabled.key, expired.key, "weir_0_x"].map((password) => connect({ password })),
    );
    expect(outcomes[0]).toEqual(outcomes[2]);
    expect(outcomes[1]).toEqual(outcomes[2]);
  });

  it("a client id that the token does not list is 0x85", async () => {
    const { key } = await createToken({ clientIds: ["phone-*", "tablet"] });
    expect(await connect({ password: key, clientId: "phone-7" })).toEqual(ACCEPTED);
    expect(await connect({ password: key, clientId: "tablet" })).toEqual(ACCEPTED);
    expect(await connect({ password: key, clientId: "tablet2" })).toEqual(
      refused(ReasonCode.clientIdentifierNotValid),
    );
  });

  it("another network and another origin are 0x87", async () => {
    const { key } = await createToken({ networks: ["10.0.0.0/8"], origins: ["https://app.example.com"] });
    const from = (address: string, origin?: string): Promise<Authentication> =>
      connect({
        password: key,
        peer: { ...LOCAL, transport: "wss", address, upgrade: origin === undefined ? {} : { origin } },
      });
    expect(await from("::ffff:10.1.1.1", "https://app.example.com")).toEqual(ACCEPTED);
    expect(await from("11.1.1.1", "https://app.example.com")).toEqual(refused(ReasonCode.notAuthorized));
    expect(await from("10.1.1.1", "https://evil.example.com")).toEqual(refused(ReasonCode.notAuthorized));
    expect(await from("10.1.1.1")).toEqual(refused(ReasonCode.notAuthorized));
  });

  it("the subject is the token's id where none is given", async () => {
    const { token } = await access.store.create(
      { tenant: "default", subject: undefined, mintedBy: undefined },
      settings,
    );
    expect(token.subject).toBe(token.id);
  });
});

describe("the admin token", () => {
  it("may read and publish everything, $SYS only read", async () => {
    const outcome = await connect({ password: ADMIN_KEY });
    const { policy } = (outcome as Extract<Authentication, { kind: "accepted" }>).principal;
    expect(policy.checkPublish("a/b", ["a", "b"], 2, true)).toBe("allowed");
    expect(policy.checkPublish("$SYS/x", ["$SYS", "x"], 0, false)).toBe("denied");
    expect(policy.canRead("$SYS/x", ["$SYS", "x"])).toBe(true);
  });

  it("is made once where none is given, and kept over a restart", async () => {
    const engine = openMemoryEngine({ clock });
    buckets = (name) => engine.kv(name);
    kv = buckets("tokens");
    const first = openAccess();
    let key = "";
    await first.open(undefined, (made) => (key = made));
    expect(key).toMatch(/^weir_[0-9a-z]{22}_[\w-]{43}$/);
    await first.close();
    const second = openAccess();
    await second.open(undefined, (made) => expect(made).toBeUndefined());
    expect(await connect({ password: key }, second)).toEqual(ACCEPTED);
    await second.close();
    await engine.close();
  });

  it("does not count where it could not be handed over, and the next start makes another", async () => {
    const engine = openMemoryEngine({ clock });
    buckets = (name) => engine.kv(name);
    const keys: string[] = [];
    const first = openAccess();
    const lose = (key: string): never => {
      keys.push(key);
      throw new Error("no file");
    };
    await expect(first.open(undefined, lose)).rejects.toThrow("no file");
    await first.close();
    const second = openAccess();
    await second.open(undefined, (key) => keys.push(key));
    expect(await connect({ password: keys[0] as string }, second)).toEqual(
      refused(ReasonCode.badUserNameOrPassword),
    );
    expect(await connect({ password: keys[1] as string }, second)).toEqual(ACCEPTED);
    await second.close();
    await engine.close();
  });

  it("another WEIR_ADMIN_TOKEN replaces the one before", async () => {
    const second = openAccess();
    await second.open("another admin token of 32 characters or more");
    expect(await connect({ password: ADMIN_KEY }, second)).toEqual(refused(ReasonCode.badUserNameOrPassword));
    expect(await connect({ password: "another admin token of 32 characters or more" }, second)).toEqual(
      ACCEPTED,
    );
    await second.close();
  });

  it("shorter than 32 characters stops the start with the remedy", async () => {
    await expect(openAccess().open("too short")).rejects.toThrow(
      "WEIR_ADMIN_TOKEN has 9 characters; it must have at least 32",
    );
  });

  it("that no header of HTTP can carry stops the start with the remedy", async () => {
    const text = "x".repeat(32);
    await expect(openAccess().open(`${text}\n`)).rejects.toThrow(
      "holds a tab, line break or other control character",
    );
    await expect(openAccess().open(` ${text}`)).rejects.toThrow("begins or ends with a space");
  });
});

describe("a change of a token that is in use", () => {
  it("another ACL: the session's principal has the new policy at once and the session is told", async () => {
    const { token, key } = await createToken();
    const session = await connectedSession(key);
    expect(canRead(session.principal, "data/u1/x")).toBe(true);
    await access.store.update(token, { ...settings, acl: [{ actions: ["subscribe"], topic: "news/#" }] });
    expect(canRead(session.principal, "data/u1/x")).toBe(false);
    expect(canRead(session.principal, "news/x")).toBe(true);
    expect(session).toMatchObject({ changes: 1, ends: [], principal: { policyVersion: 1 } });
  });

  it("another name leaves the sessions alone", async () => {
    const { token, key } = await createToken();
    const session = await connectedSession(key);
    await access.store.update(token, { ...settings, name: "renamed" });
    expect(session).toMatchObject({ changes: 0, ends: [] });
  });

  it("disabled, deleted: the sessions end", async () => {
    const first = await createToken();
    const second = await createToken();
    const disabled = await connectedSession(first.key);
    const deleted = await connectedSession(second.key);
    await access.store.update(first.token, { ...settings, enabled: false });
    await access.store.delete(second.token);
    expect(disabled.ends).toEqual(["disabled"]);
    expect(deleted.ends).toEqual(["deleted"]);
    expect(await connect({ password: second.key })).toEqual(refused(ReasonCode.badUserNameOrPassword));
  });

  it("no longer allowed from there: the session's principal is revoked", async () => {
    const { token, key } = await createToken();
    const session = await connectedSession(key);
    await access.store.update(token, { ...settings, clientIds: ["other"] });
    expect(session.ends).toEqual(["revoked"]);
  });

  it("by another node is followed, too", async () => {
    const { token, key } = await createToken();
    const session = await connectedSession(key);
    const elsewhere = openAccess();
    await elsewhere.open(undefined);
    await elsewhere.store.delete(token);
    await clock.settle();
    expect(session.ends).toEqual(["deleted"]);
    await elsewhere.close();
  });

  it("between authentication and CONNACK is seen by refresh()", async () => {
    const first = await createToken();
    const second = await createToken();
    const changed = (await connectedSession(first.key)).principal;
    const deleted = (await connectedSession(second.key)).principal;
    sessions = [];
    await access.store.update(first.token, { ...settings, acl: [] });
    await access.store.delete(second.token);
    access.authenticator.refresh(changed);
    access.authenticator.refresh(deleted);
    expect(canRead(changed, "data/u1/x")).toBe(false);
    expect(changed.ended).toBeUndefined();
    expect(deleted.ended).toBe("deleted");
  });

  it("while the broker was down is applied to the sessions that it recovered", async () => {
    const { token } = await createToken();
    const recovered = (tokenId: string): FakeSession =>
      new FakeSession({
        tenant: "default",
        identity: { realm: "token", subject: "u1" },
        tokenId,
        clientId: "c1",
        policy: Policy.nothing,
        policyVersion: 0,
        endsAtMs: Infinity,
      });
    sessions = [recovered(token.id), recovered("gone")];
    const restarted = openAccess();
    await restarted.open(undefined);
    restarted.start();
    expect(canRead((sessions[0] as FakeSession).principal, "data/u1/x")).toBe(true);
    expect(sessions[1]?.ends).toEqual(["deleted"]);
    await restarted.close();
  });
});

describe("an anonymous session that recovery has brought back", () => {
  it("has the rights of now, so that its will is published", async () => {
    const session = new FakeSession({
      tenant: "default",
      identity: { realm: "anonymous", subject: "anonymous" },
      clientId: "c1",
      policy: Policy.nothing,
      policyVersion: 0,
      endsAtMs: Infinity,
    });
    sessions = [session];
    const options = {
      tenant: "default",
      tenants: onlyDefault,
      acl: undefined,
      isOpenToNetwork: false,
      hostNames: [],
    };
    const restarted = openAccess(new AnonymousAccess(options));
    await restarted.open(undefined);
    restarted.start();
    expect(canRead(session.principal, "data/u1/x")).toBe(true);
    await restarted.close();
  });
});

describe("the end of a token", () => {
  it("expiresAt ends the session within 1 s", async () => {
    const { key } = await createToken({ expiresAtMs: clock.nowMs() + 5_000 });
    const session = await connectedSession(key);
    expect(session.principal.endsAtMs).toBe(clock.nowMs() + 5_000);
    clock.advance(4_900);
    expect(session.ends).toEqual([]);
    clock.advance(1_000);
    expect(session.ends).toEqual(["expired"]);
  });

  it("expiresAt moved by a change counts from then on", async () => {
    const { token, key } = await createToken({ expiresAtMs: clock.nowMs() + 5_000 });
    const session = await connectedSession(key);
    await access.store.update(token, { ...settings, expiresAtMs: clock.nowMs() + 60_000 });
    clock.advance(50_000);
    expect(session.ends).toEqual([]);
    await access.store.update(access.store.get(token.id) as AccessToken, {
      ...settings,
      expiresAtMs: clock.nowMs(),
    });
    expect(session.ends).toEqual(["expired"]);
  });

  it("an unused token ends after its ttl, and is gone an hour later", async () => {
    const { token, key } = await createToken({ ttlS: 60 });
    clock.advance(59_000);
    expect(await connect({ password: key })).toEqual(ACCEPTED);
    clock.advance(61_000);
    expect(await connect({ password: key })).toEqual(refused(ReasonCode.badUserNameOrPassword));
    expect(access.store.get(token.id)).toBeDefined();
    clock.advance(3_700_000);
    await clock.settle();
    expect(access.store.get(token.id)).toBeUndefined();
    expect(await kv.get(token.id)).toBeUndefined();
  });

  it("an open connection is use of a ttl; when it closes the ttl runs from then", async () => {
    const { key } = await createToken({ ttlS: 60 });
    const session = await connectedSession(key);
    clock.advance(600_000);
    expect(session.ends).toEqual([]);
    session.isConnected = false;
    clock.advance(50_000);
    expect(session.ends).toEqual([]);
    clock.advance(11_000);
    expect(session.ends).toEqual(["expired"]);
  });

  it("the last use outlives a restart", async () => {
    const { token, key } = await createToken({ ttlS: 600 });
    clock.advance(300_000);
    await connect({ password: key });
    const usedAtMs = clock.nowMs();
    await access.close();
    access = openAccess();
    await access.open(undefined);
    expect(access.store.lastUsedAtMs(token)).toBe(usedAtMs);
  });
});

describe("anonymous access", () => {
  const options = {
    tenant: "default",
    tenants: onlyDefault,
    acl: undefined,
    isOpenToNetwork: false,
    hostNames: ["broker.example.com"],
  };
  const enter = (peer: Peer, change: Partial<typeof options> = {}): Authentication =>
    new AnonymousAccess({ ...options, ...change }).authenticate({
      peer,
      clientId: "c1",
      username: undefined,
      password: undefined,
      authenticationMethod: undefined,
      authenticationData: undefined,
    });
  const fromPage = (host: string, origin?: string): Peer => ({
    ...LOCAL,
    transport: "ws",
    upgrade: origin === undefined ? { host } : { host, origin },
  });

  it("lets a client without a valid credential in as anonymous/{clientId}; a valid one keeps its own identity", async () => {
    const open = openAccess(new AnonymousAccess(options));
    await open.open(undefined);
    const { key } = await createToken();
    await clock.settle();
    expect(await connect({ password: "wrong" }, open)).toMatchObject({
      principal: { identity: { realm: "anonymous", subject: "anonymous" }, policy: Policy.everything },
    });
    expect(await connect({ password: key }, open)).toMatchObject({
      principal: { identity: { realm: "token" } },
    });
    expect(await connect({ authenticationMethod: "x" }, open)).toEqual(
      refused(ReasonCode.badAuthenticationMethod),
    );
    await open.close();
  });

  it("only from this machine unless it is opened to the network", () => {
    const remote: Peer = { ...LOCAL, address: "192.0.2.1" };
    expect(enter(remote)).toEqual(refused(ReasonCode.notAuthorized));
    expect(enter(remote, { isOpenToNetwork: true })).toEqual(ACCEPTED);
  });

  it.each([
    ["127.0.0.1:8080", undefined, true],
    ["localhost:8080", "http://localhost:8080", true],
    ["[::1]:8080", "http://[::1]:8080", true],
    ["localhost", "http://localhost:80", true],
    ["broker.example.com:8080", "http://broker.example.com:8080", true],
    ["localhost:8080", "http://localhost:3000", false],
    ["localhost:8080", "https://evil.example.com", false],
    ["localhost:8080", "null", false],
    ["evil.example.com:8080", "http://evil.example.com:8080", false],
    ["evil.example.com", undefined, false],
    ["", undefined, false],
  ])("WebSocket with Host %j and Origin %j: %s", (host, origin, isIn) => {
    expect(enter(fromPage(host, origin))).toEqual(isIn ? ACCEPTED : refused(ReasonCode.notAuthorized));
  });

  it("an ACL that relies on what the client chooses is refused", () => {
    const acl = [{ actions: ["subscribe" as const], topic: "inbox/${clientId}" }];
    expect(() => new AnonymousAccess({ ...options, acl })).toThrow(
      "anonymous.acl[0].topic: holds ${clientId}",
    );
  });
});

describe("keys", () => {
  it("are nowhere in what is stored or logged", async () => {
    const { token, key } = await createToken();
    await connectedSession(key);
    await access.store.update(token, { ...settings, enabled: false });
    const entries: unknown[] = [];
    for await (const entry of kv.list("")) entries.push(entry);
    const secret = key.split("_").slice(2).join("_");
    expect(JSON.stringify(entries) + logged.join("") + JSON.stringify([...access.store.all()])).not.toContain(
      secret,
    );
    expect(entries).toHaveLength(2);
  });
});
