import { createHmac, createPublicKey } from "node:crypto";
import { type BrokerFixture, startBroker } from "@weir/testkit";
import { ReasonCode } from "@weir/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newKey, type SigningKey, TestIssuer } from "../../testing/test-issuer.ts";

let issuer: TestIssuer;
let broker: BrokerFixture;
let stranger: SigningKey;

const base64url = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

beforeAll(async () => {
  issuer = await TestIssuer.open();
  stranger = await newKey("RS256", "k1");
  broker = await startBroker({ anonymous: { allow: "nobody" } });
  const entries = [
    { actions: ["subscribe", "publish"], topic: "data/${claims.account}/#" },
    { actions: ["publish"], topic: "own/${subject}" },
  ];
  await broker.rest("PUT", "/policies/user", { entries });
  await broker.rest("PUT", "/providers/ciam", issuer.provider({ requiredClaims: { tier: "gold" } }));
  await broker.rest("PUT", "/groups/users", { provider: "ciam", value: "users", policies: ["user"] });
});

afterAll(async () => {
  await broker.close();
  await issuer.close();
});

/** What a holder of a good JWT says. */
const good = { tier: "gold", groups: ["users"], account: "a1" };

async function connackOf(jwt: string): Promise<number> {
  const client = await broker.open({ password: jwt, clientId: "c" });
  const { reasonCode } = await client.connect();
  await client.cut();
  return reasonCode;
}

const refusals = (): string[] =>
  broker.log
    .filter((line) => line.includes("CONNECT refused"))
    .map((line) => (JSON.parse(line) as { reason: string }).reason);

it("a good JWT is let in, for every way to show it", async () => {
  const jwt = await issuer.sign(good);
  expect(await connackOf(jwt)).toBe(ReasonCode.success);
  const byName = await broker.connect({ username: jwt });
  const byMethod = await broker.connect({
    properties: { authenticationMethod: "token", authenticationData: Buffer.from(jwt) },
  });
  await Promise.all([byName.cut(), byMethod.cut()]);
});

describe("a JWT that lies is refused with 0x86", () => {
  const nowS = Math.floor(Date.now() / 1_000);
  const lies: readonly (readonly [lie: string, reason: string, jwt: () => Promise<string> | string])[] = [
    ["of another issuer", "jwt-issuer", () => issuer.sign({ ...good, iss: "https://evil" })],
    ["whose issuer is a list", "jwt-issuer", () => issuer.sign({ ...good, iss: [issuer.url] })],
    ["without an issuer", "jwt-issuer", () => issuer.sign({ ...good, iss: undefined })],
    ["for another audience", "jwt-audience", () => issuer.sign({ ...good, aud: ["other"] })],
    ["without an audience", "jwt-audience", () => issuer.sign({ ...good, aud: undefined })],
    ["that has expired", "jwt-expired", () => issuer.sign({ ...good, iat: nowS - 100, exp: nowS - 1 })],
    ["without an end", "jwt-malformed", () => issuer.sign({ ...good, exp: undefined })],
    ["without a time of issue", "jwt-malformed", () => issuer.sign({ ...good, iat: undefined })],
    ["whose end is a text", "jwt-malformed", () => issuer.sign({ ...good, exp: String(nowS + 60) })],
    ["whose end is no time", "jwt-malformed", () => issuer.sign({ ...good, exp: 1e300 })],
    ["that is not yet valid", "jwt-not-yet-valid", () => issuer.sign({ ...good, nbf: nowS + 600 })],
    ["issued in the future", "jwt-not-yet-valid", () => issuer.sign({ ...good, iat: nowS + 600 })],
    ["that lives too long", "jwt-lifetime", () => issuer.sign({ ...good, exp: nowS + 90_000 })],
    ["without a subject", "jwt-subject", () => issuer.sign({ ...good, sub: undefined })],
    ["with an empty subject", "jwt-subject", () => issuer.sign({ ...good, sub: "" })],
    ["with a subject above 2^53", "jwt-subject", () => numberSubject("9007199254740993")],
    ["with a subject that is an object", "jwt-subject", () => issuer.sign({ ...good, sub: { a: 1 } })],
    [
      "with a control character in its subject",
      "jwt-subject",
      () => issuer.sign({ ...good, sub: "a\u0000b" }),
    ],
    ["without a claim that is required", "jwt-claim", () => issuer.sign({ ...good, tier: "silver" })],
    ["signed by a stranger under a known kid", "jwt-signature", () => issuer.sign(good, { key: stranger })],
    ["with a signature that was changed", "jwt-signature", async () => flipped(await issuer.sign(good))],
    ["with claims that were changed", "jwt-signature", async () => forged(await issuer.sign(good))],
    ["with an unknown kid", "jwt-key", () => issuer.sign(good, { header: { kid: "unknown" } })],
    [
      "with a kid that is a path",
      "jwt-key",
      () => issuer.sign(good, { header: { kid: "../../etc/passwd" } }),
    ],
    ["with a kid that is __proto__", "jwt-key", () => issuer.sign(good, { header: { kid: "__proto__" } })],
    [
      "with a kid that is no text",
      "jwt-malformed",
      () => raw({ alg: "RS256", kid: { $ne: 1 } }, issuer.claims(good)),
    ],
    ["with alg none", "jwt-algorithm", () => raw({ alg: "none", typ: "JWT" }, issuer.claims(good))],
    ["with alg NoNe", "jwt-algorithm", () => raw({ alg: "NoNe" }, issuer.claims(good))],
    ["with alg HS256 and the public key as secret", "jwt-algorithm", () => withPublicKeyAsSecret()],
    [
      "with an algorithm that is not listed",
      "jwt-algorithm",
      () => raw({ alg: "RS512", kid: "k1" }, issuer.claims(good)),
    ],
    [
      "with an algorithm that does not fit the key",
      "jwt-key",
      () => raw({ alg: "ES256", kid: "k1" }, issuer.claims(good)),
    ],
    ["with crit", "jwt-critical", () => raw({ alg: "RS256", kid: "k1", crit: ["exp"] }, issuer.claims(good))],
    ["that is a logout token", "jwt-type", () => issuer.sign(good, { header: { typ: "logout+jwt" } })],
    [
      "with its own key in jwk",
      "jwt-key",
      () => issuer.sign(good, { key: stranger, header: { kid: "x", jwk: stranger.publicJwk } }),
    ],
    [
      "with its own key behind jku",
      "jwt-key",
      () => issuer.sign(good, { key: stranger, header: { kid: "x", jku: `${issuer.url}/evil` } }),
    ],
    ["that is huge", "jwt-too-large", () => issuer.sign({ ...good, padding: "x".repeat(20_000) })],
    ["with a fourth part", "jwt-malformed", async () => `${await issuer.sign(good)}.x`],
    ["nested without end", "jwt-malformed", () => raw({ alg: "RS256" }, nested(4_000))],
    [
      "with two parts",
      "jwt-malformed",
      () => `${base64url({ alg: "RS256" })}.${base64url(issuer.claims(good))}`,
    ],
    ["that is encrypted", "jwt-malformed", () => `${base64url({ alg: "dir", enc: "A256GCM" })}....`],
    ["with claims that are a list", "jwt-malformed", () => raw({ alg: "RS256" }, [1])],
    [
      "with claims that are no JSON",
      "jwt-malformed",
      () => `${base64url({ alg: "RS256" })}.${base64url("{")}.AA`,
    ],
    [
      "with claims that are no UTF-8",
      "jwt-malformed",
      () =>
        `${base64url({ alg: "RS256" })}.${Buffer.from('{"a":"\xff"}', "latin1").toString("base64url")}.AA`,
    ],
    ["with characters of no JWT", "jwt-malformed", async () => `${await issuer.sign(good)}\n`],
  ];

  it.each(lies)("%s: %s", async (_lie, reason, make) => {
    const jwt = await make();
    const before = refusals().length;
    expect(await connackOf(jwt)).toBe(ReasonCode.badUserNameOrPassword);
    expect(refusals().slice(before)).toEqual([reason]);
    expect(broker.log.join("")).not.toContain(jwt.split(".")[2] || "no signature");
  });

  it("and is refused over REST and at the WebSocket's upgrade, too", async () => {
    const jwt = await issuer.sign({ ...good, tier: "silver" });
    expect((await broker.restAs(jwt, "GET", "/tokens")).status).toBe(401);
    const client = await broker.open({ over: "ws", headers: { authorization: `Bearer ${jwt}` } });
    expect((await client.connect()).reasonCode).toBe(ReasonCode.badUserNameOrPassword);
    await client.cut();
  });

  it("each has its own metric", async () => {
    const { http } = broker.addresses;
    const text = await (await fetch(`http://127.0.0.1:${http.port}/metrics`)).text();
    for (const reason of new Set(lies.map(([, word]) => word)))
      expect(text).toContain(`weir_auth_failures_total{reason="${reason}"}`);
  });

  it("unknown kids cost the issuer no more than a fetch now and then", () => {
    expect(issuer.fetches).toBeLessThanOrEqual(3);
  });
});

describe("claims in templates fail closed (semantics.md §1.1)", () => {
  it.each([
    ["a/b"],
    ["+"],
    ["#"],
    ["a+"],
    ["x".repeat(257)],
    ["a\u0000"],
    [""],
    [9_007_199_254_740_992],
    [1.5],
    [true],
    [null],
    [{ a: "a1" }],
    [["+", "#"]],
  ])("with the account %j nothing can be read", async (account) => {
    const client = await broker.connect({ password: await issuer.sign({ ...good, account }) });
    const { reasonCodes } = await client.subscribe(["data/#", "#", "data/a1/#"]);
    expect(reasonCodes).toEqual([0x87, 0x87, 0x87]);
    await client.cut();
  });

  it("an array gives an entry each, and leaves out what fits no level", async () => {
    const account = ["a1", "+", "a2", "b/c", 7];
    const client = await broker.connect({ password: await issuer.sign({ ...good, account }) });
    const { properties } = await client.subscribe("data/+/x");
    const effective = (properties?.userProperties ?? []).filter(([name]) => name === "effective-filter");
    expect(effective.map(([, filter]) => filter)).toEqual(["data/a1/x", "data/a2/x", "data/7/x"]);
    await client.cut();
  });

  it("claims that stand twice count as the last of them, as everywhere (RFC 7519 §4)", async () => {
    const claims = JSON.stringify(issuer.claims({ ...good, account: "a1" })).replace("{", '{"account":"a2",');
    const client = await broker.connect({ password: await signRaw(claims) });
    expect((await client.subscribe(["data/a2/#", "data/a1/#"])).reasonCodes).toEqual([0x87, 0]);
    await client.cut();
  });
});

function nested(levels: number): string {
  return `{"iss":${JSON.stringify(issuer.url)},"aud":"weir","tier":${"[".repeat(levels)}${"]".repeat(levels)}}`;
}

function raw(header: unknown, claims: unknown): string {
  return `${base64url(header)}.${base64url(claims)}.AAAA`;
}

/** Signs claims that no JSON writer would write. */
async function signRaw(claims: string): Promise<string> {
  const key = issuer.keys[0] as SigningKey;
  const input = `${base64url({ alg: "RS256", kid: key.kid })}.${base64url(claims)}`;
  const signature = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", key.privateKey, Buffer.from(input));
  return `${input}.${Buffer.from(signature).toString("base64url")}`;
}

function numberSubject(digits: string): Promise<string> {
  return signRaw(JSON.stringify(issuer.claims(good)).replace('"sub":"alice"', `"sub":${digits}`));
}

function flipped(jwt: string): string {
  const [head, body, signature = ""] = jwt.split(".");
  return `${head}.${body}.${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
}

function forged(jwt: string): string {
  const [head, , signature] = jwt.split(".");
  return `${head}.${base64url(issuer.claims({ ...good, sub: "admin" }))}.${signature}`;
}

/** The classic confusion: the verifier takes its RSA public key for an HMAC secret. */
function withPublicKeyAsSecret(): string {
  const jwk = (issuer.keys[0] as SigningKey).publicJwk;
  const pem = createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "pem" });
  const input = `${base64url({ alg: "HS256", kid: "k1" })}.${base64url(issuer.claims(good))}`;
  return `${input}.${createHmac("sha256", pem).update(input).digest("base64url")}`;
}
