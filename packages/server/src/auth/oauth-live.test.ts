import { ReasonCode } from "@weir/protocol";
import { type BrokerFixture, FakeClock, type MqttTestClient, startBroker } from "@weir/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type SigningKey, TestIssuer } from "../../testing/test-issuer.ts";

let issuer: TestIssuer;
let broker: BrokerFixture;
let clock: FakeClock;

beforeEach(async () => {
  clock = new FakeClock({ soon: "immediate" });
  issuer = await TestIssuer.open();
  issuer.nowS = () => Math.floor(clock.nowMs() / 1_000);
  broker = await startBroker({ clock, anonymous: { allow: "nobody" } });
  await broker.rest("PUT", "/policies/read", {
    entries: [{ actions: ["subscribe", "publish"], topic: "data/${claims.account}/#" }],
  });
  await broker.rest("PUT", "/providers/ciam", issuer.provider());
  await group("users", { policies: ["read"] });
});

afterEach(async () => {
  await broker.close();
  await issuer.close();
});

function group(value: string, more: object): Promise<unknown> {
  return broker.rest("PUT", `/groups/${value}`, { provider: "ciam", value, ...more });
}

const user = { groups: ["users"], account: "a1" };

async function connected(
  claims: Readonly<Record<string, unknown>> = {},
  options: object = {},
): Promise<MqttTestClient> {
  return broker.connect({ password: await issuer.sign({ ...user, ...claims }), ...options });
}

async function connackOf(jwt: string, clientId = "other"): Promise<number> {
  const client = await broker.open({ password: jwt, clientId });
  const { reasonCode } = await client.connect();
  await client.cut();
  return reasonCode;
}

async function endOf(client: MqttTestClient): Promise<number | undefined> {
  return (await client.closed).disconnect?.reasonCode;
}

/** Lets a fetch that the time has made due take its course. */
async function fetched(count: number): Promise<void> {
  await expect.poll(() => issuer.fetches).toBeGreaterThanOrEqual(count);
}

describe("the end of a JWT", () => {
  it("cuts a silent client with 0xA0 within a second of exp", async () => {
    const client = await connected({ exp: issuer.nowS() + 60 });
    clock.advance(59_900);
    await client.subscribe("data/a1/x");
    clock.advance(200);
    expect(await endOf(client)).toBe(ReasonCode.maximumConnectTime);
  });

  it("leaves its session to collect, for the same user's next JWT", async () => {
    const persistent = { clientId: "p", cleanStart: false, properties: { sessionExpiryInterval: 600 } };
    const client = await connected({ exp: issuer.nowS() + 60 }, persistent);
    await client.subscribe({ topicFilter: "data/a1/x", qos: 1 });
    clock.advance(61_000);
    await client.closed;
    const publisher = await connected();
    await publisher.publish("data/a1/x", "missed", { qos: 1 });
    const again = await connected({}, persistent);
    expect(again.connack?.sessionPresent).toBe(true);
    expect(Buffer.from((await again.receiveMessage()).payload).toString()).toBe("missed");
  });
});

describe("a live change", () => {
  it("of a group, a policy: rights follow without a reconnect, gained and lost", async () => {
    const client = await connected({ groups: ["users", "more"] }, { clientId: "c" });
    await client.subscribe("#");
    expect(await effective("c")).toEqual(["data/a1/#"]);
    await broker.rest("PUT", "/policies/all", {
      entries: [{ actions: ["subscribe"], topic: "data/+/alarm" }],
    });
    await group("more", { policies: ["all"] });
    await expect.poll(() => effective("c")).toEqual(["data/a1/#", "data/+/alarm"]);
    const publisher = await connected({ account: "b1" });
    await publisher.publish("data/b1/alarm", "now", { qos: 1 });
    expect((await client.receive("publish")).topic).toBe("data/b1/alarm");
    await broker.rest("DELETE", "/groups/more");
    await expect.poll(() => effective("c")).toEqual(["data/a1/#"]);
    await publisher.publish("data/b1/alarm", "secret", { qos: 1 });
    await client.expectSilence();
  });

  it("of a policy that is deleted: who relies on it may do nothing any more", async () => {
    const client = await connected({}, { clientId: "c" });
    await client.subscribe("data/a1/#");
    await broker.rest("DELETE", "/policies/read");
    await expect.poll(() => effective("c")).toEqual([]);
  });

  it("of a token's named policy reaches the token's sessions; a token can be changed when its policy has gone", async () => {
    await broker.rest("PUT", "/policies/named", { entries: [{ actions: ["subscribe"], topic: "x/#" }] });
    const declaration = { ttl: 3_600, policies: ["named"] };
    const { id, key } = (await broker.rest("POST", "/tokens", declaration)) as { id: string; key: string };
    const client = await broker.connect({ password: key });
    const granted = async () => (await client.subscribe(["x/1", "y/1"])).reasonCodes;
    expect(await granted()).toEqual([0, 0x87]);
    await broker.rest("PUT", "/policies/named", { entries: [{ actions: ["subscribe"], topic: "y/#" }] });
    await expect.poll(granted).toEqual([0x87, 0]);
    await broker.rest("DELETE", "/policies/named");
    await expect.poll(granted).toEqual([0x87, 0x87]);
    await broker.rest("PATCH", `/tokens/${id}`, { enabled: false });
    expect(await endOf(client)).toBe(ReasonCode.administrativeAction);
  });

  it.each([
    ["is deleted", undefined],
    ["takes another audience", { audience: ["other"] }],
    ["requires a claim", { requiredClaims: { tier: "gold" } }],
    ["requires a scope", { requiredScope: "mqtt" }],
    ["takes other algorithms", { algorithms: ["ES256"] }],
    ["binds the client id", { clientIdClaim: "device" }],
    ["names its subjects by another claim", { subjectClaim: "account" }],
    ["is another realm", { realm: "elsewhere" }],
    ["has other keys", { jwksUri: undefined, hmacKey: "k".repeat(43), algorithms: ["HS256"] }],
  ])("of a provider that %s ends its sessions with 0x98", async (_what, change) => {
    const client = await connected({}, { clientId: "c1" });
    if (change) await broker.rest("PUT", "/providers/ciam", issuer.provider(change));
    else await broker.rest("DELETE", "/providers/ciam");
    expect(await endOf(client)).toBe(ReasonCode.administrativeAction);
  });

  it("of a provider that goes on accepting a session's JWT leaves it alone", async () => {
    const client = await connected();
    await broker.rest("PUT", "/providers/ciam", issuer.provider({ clockSkew: 60 }));
    await client.subscribe("data/a1/#");
    await client.expectSilence();
  });

  it("a provider that is made anew under the name inherits no sessions (semantics.md §1.16)", async () => {
    const jwt = await issuer.sign(user);
    const persistent = { cleanStart: false, properties: { sessionExpiryInterval: 600 } };
    const client = await broker.connect({ password: jwt, clientId: "p", ...persistent });
    await broker.rest("DELETE", "/providers/ciam");
    await client.closed;
    await broker.rest("PUT", "/providers/ciam", issuer.provider());
    const again = await broker.connect({ password: jwt, clientId: "p", ...persistent });
    expect(again.connack?.sessionPresent).toBe(false);
  });
});

describe("keys", () => {
  it("that are new are fetched when a JWT comes with one, at most every 5 s", async () => {
    const rotated = await issuer.addKey("ES256");
    const jwt = await issuer.sign(user, { key: rotated });
    clock.advance(5_000);
    expect(await connackOf(jwt)).toBe(0);
    const unannounced = await issuer.addKey("RS256");
    const early = await issuer.sign(user, { key: unannounced });
    const { fetches } = issuer;
    expect(await connackOf(early)).toBe(ReasonCode.badUserNameOrPassword);
    expect(issuer.fetches).toBe(fetches);
    clock.advance(5_000);
    expect(await connackOf(early)).toBe(0);
  });

  it("that have left the JWKS for two answers end the sessions signed with them, and no others", async () => {
    const [old] = issuer.keys;
    const fresh = await issuer.addKey("ES256");
    clock.advance(5_000);
    const kept = await broker.connect({ password: await issuer.sign(user, { key: fresh }) });
    const ended = await connected();
    if (old) issuer.removeKey(old);
    clock.advance(300_000);
    await fetched(3);
    await ended.subscribe("data/a1/x"); // one answer is not enough
    await expect
      .poll(() => {
        clock.advance(1_100);
        return broker.log.join("").includes("keys have left the JWKS");
      })
      .toBe(true);
    expect(await endOf(ended)).toBe(ReasonCode.administrativeAction);
    await kept.subscribe("data/a1/x");
  });

  it.each(["down", "garbage", "huge", "redirect"] as const)(
    "go on serving for a bounded time while the issuer is %s, and readiness says so",
    async (mood) => {
      expect(await connackOf(await issuer.sign(user))).toBe(0);
      issuer.mood = mood;
      clock.advance(300_000);
      await expect.poll(() => problems()).toContain("the keys of the OAuth provider default/ciam");
      expect(await failingProviders()).toBe("weir_oauth_providers_failing 1");
      expect(await connackOf(await issuer.sign({ ...user, jti: "2" }))).toBe(0);
      clock.advance(6 * 3_600_000);
      const late = await issuer.sign({ ...user, jti: "3" });
      expect(await connackOf(late)).toBe(ReasonCode.serverUnavailable);
      issuer.mood = "well";
      clock.advance(300_000);
      await expect.poll(() => problems()).toBe("");
      expect(await connackOf(await issuer.sign({ ...user, jti: "4" }))).toBe(0);
    },
  );
});

describe("other kinds of keys", () => {
  const hmacKey = Buffer.alloc(32, 7).toString("base64url");
  const secret = async (): Promise<SigningKey> => ({
    kid: "any",
    algorithm: "HS256",
    privateKey: await crypto.subtle.importKey(
      "raw",
      Buffer.from(hmacKey, "base64url"),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    ),
    publicJwk: {},
  });

  it("a secret verifies HS256 under any kid, and no public key's algorithm; another secret ends its sessions", async () => {
    const provider = (key: string) => issuer.provider({ jwksUri: undefined, hmacKey: key });
    await broker.rest("PUT", "/providers/ciam", provider(hmacKey));
    const client = await broker.connect({ password: await issuer.sign(user, { key: await secret() }) });
    expect((await client.subscribe("data/a1/#")).reasonCodes).toEqual([0]);
    expect(await connackOf(await issuer.sign(user))).toBe(ReasonCode.badUserNameOrPassword);
    await broker.rest("PUT", "/providers/ciam", provider(Buffer.alloc(32, 8).toString("base64url")));
    expect(await endOf(client)).toBe(ReasonCode.administrativeAction);
  });

  it("keys in the provider need no JWKS; a session ends with its key and no other", async () => {
    const fresh = await issuer.addKey("ES256");
    const provider = (...keys: SigningKey[]) =>
      issuer.provider({ jwksUri: undefined, keys: keys.map(({ publicJwk }) => publicJwk) });
    const [old] = issuer.keys as [SigningKey];
    await broker.rest("PUT", "/providers/ciam", provider(old, fresh));
    const ended = await connected();
    const kept = await broker.connect({ password: await issuer.sign(user, { key: fresh }) });
    await broker.rest("PUT", "/providers/ciam", provider(fresh));
    expect(await endOf(ended)).toBe(ReasonCode.administrativeAction);
    await kept.subscribe("data/a1/x");
  });
});

describe("claims", () => {
  it("bind the client id where the provider says so: another is refused with 0x85", async () => {
    await broker.rest("PUT", "/providers/ciam", issuer.provider({ clientIdClaim: "device" }));
    await broker.rest("PUT", "/policies/read", {
      entries: [{ actions: ["subscribe"], topic: "device/${clientId}/#" }],
    });
    const jwt = await issuer.sign({ ...user, device: "d1" });
    expect(await connackOf(jwt, "d2")).toBe(ReasonCode.clientIdentifierNotValid);
    expect(await connackOf(await issuer.sign(user), "d1")).toBe(ReasonCode.clientIdentifierNotValid);
    const client = await broker.connect({ password: jwt, clientId: "d1" });
    expect((await client.subscribe(["device/d1/x", "device/d2/x"])).reasonCodes).toEqual([0, 0x87]);
  });

  it.each([
    ["string", "users"],
    ["space", "other users"],
    ["array", ["other", "users"]],
  ])("name groups as %s", async (groupsFormat, groups) => {
    await broker.rest(
      "PUT",
      "/providers/ciam",
      issuer.provider({ groupsFormat, groupsClaim: "realm.roles" }),
    );
    const client = await connected({ groups: undefined, realm: { roles: groups } });
    expect((await client.subscribe("data/a1/#")).reasonCodes).toEqual([0]);
  });

  it("give the union of several groups' policies, scopes and the lowest limits; none gives nothing", async () => {
    await broker.rest("PUT", "/policies/two", { entries: [{ actions: ["publish"], topic: "two/#" }] });
    await group("two", { policies: ["two"], scopes: ["messages"] });
    const jwt = await issuer.sign({ ...user, groups: ["users", "two"] });
    const publish = (topic: string): ReturnType<BrokerFixture["restAs"]> =>
      broker.restAs(jwt, "POST", "/messages", { topic, payload: "x" });
    expect((await publish("two/x")).status).toBe(200);
    expect((await publish("data/a1/x")).status).toBe(200);
    expect((await publish("three/x")).status).toBe(403);
    const nobody = await issuer.sign({ ...user, groups: [] });
    expect((await broker.restAs(nobody, "POST", "/messages", { topic: "two/x", payload: "x" })).status).toBe(
      403,
    );
  });

  it("of a subject belong to the provider's realm: a token's alice is somebody else", async () => {
    const persistent = { clientId: "p", cleanStart: false, properties: { sessionExpiryInterval: 600 } };
    await connected({}, persistent);
    const key = await broker.token({ subject: "alice", acl: [] });
    const other = await broker.connect({ password: key, ...persistent });
    expect(other.connack?.sessionPresent).toBe(false);
  });
});

describe("an opaque token", () => {
  beforeEach(async () => {
    const introspection = {
      endpoint: `${issuer.url}/introspect`,
      clientId: "we:ir",
      clientSecret: "s%cret",
      prefix: "op_",
    };
    await broker.rest("PUT", "/providers/ciam", issuer.provider({ introspection }));
    issuer.opaque.set("op_1", { active: true, sub: "bob", exp: issuer.nowS() + 100, ...user });
  });

  it("is introspected with the broker's credentials, and the answer counts for a while", async () => {
    const client = await broker.connect({ password: "op_1" });
    expect((await client.subscribe("data/a1/#")).reasonCodes).toEqual([0]);
    expect(await connackOf("op_1")).toBe(0);
    expect(issuer.introspections).toEqual([`${encodeURIComponent("we:ir")}:${encodeURIComponent("s%cret")}`]);
    issuer.opaque.set("op_1", { active: false });
    clock.advance(61_000);
    expect(await connackOf("op_1")).toBe(ReasonCode.badUserNameOrPassword);
    clock.advance(40_000);
    expect(await endOf(client)).toBe(ReasonCode.maximumConnectTime);
  });

  it("that is inactive, unknown, or for others is refused; without the prefix nobody is asked", async () => {
    issuer.opaque.set("op_2", { ...issuer.opaque.get("op_1"), aud: "other" });
    issuer.opaque.set("op_3", { ...issuer.opaque.get("op_1"), iss: "https://evil" });
    issuer.opaque.set("op_4", { ...issuer.opaque.get("op_1"), active: "true" });
    for (const token of ["op_0", "op_2", "op_3", "op_4", "no_1"])
      expect(await connackOf(token)).toBe(ReasonCode.badUserNameOrPassword);
    expect(issuer.introspections.length).toBe(4);
  });

  it("without a prefix may be any text, but the key of a token that is disabled is shown to nobody", async () => {
    const introspection = {
      endpoint: `${issuer.url}/introspect`,
      clientId: "c",
      clientSecret: "s",
      prefix: "",
    };
    await broker.rest("PUT", "/providers/ciam", issuer.provider({ introspection }));
    const key = await broker.token({ acl: [], enabled: false });
    expect(await connackOf(key)).toBe(ReasonCode.badUserNameOrPassword);
    expect(issuer.introspections).toEqual([]);
    expect(await connackOf("op_1")).toBe(0);
  });

  it("cannot be judged while the endpoint is down: 0x88, and nothing is remembered", async () => {
    issuer.mood = "down";
    expect(await connackOf("op_1")).toBe(ReasonCode.serverUnavailable);
    issuer.mood = "well";
    expect(await connackOf("op_1")).toBe(0);
  });
});

async function failingProviders(): Promise<string | undefined> {
  const response = await fetch(`http://127.0.0.1:${broker.addresses.http.port}/metrics`);
  return (await response.text()).split("\n").find((line) => line.startsWith("weir_oauth_providers_failing"));
}

async function problems(): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${broker.addresses.http.port}/readyz`);
  return ((await response.json()) as { problems: string[] }).problems.join();
}

/** The effective filters of a client's session. */
async function effective(clientId: string): Promise<string[]> {
  const { items } = (await broker.rest("GET", `/sessions?clientId=${clientId}`)) as {
    items: { subscriptions: { effective: string[] }[] }[];
  };
  return items.flatMap(({ subscriptions }) => subscriptions.flatMap((one) => one.effective));
}
