import { createWeirClient, type WeirClient } from "@weir/api";
import { type BrokerFixture, startBroker } from "@weir/testkit";
import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ISSUER = "https://id.example.com";
const secret = Buffer.from("a shared secret of at least thirty-two bytes");

let broker: BrokerFixture;
let url: string;
let admin: WeirClient;

beforeAll(async () => {
  broker = await startBroker({ anonymous: { allow: "nobody" } });
  url = `http://127.0.0.1:${broker.addresses.http.port}`;
  const adminKey = await broker.token({
    scopes: ["admin"],
    acl: [{ actions: ["publish", "subscribe"], topic: "#" }],
  });
  admin = createWeirClient({ url, token: adminKey });
  await admin.providers.put("ciam", {
    issuer: ISSUER,
    audience: ["weir"],
    hmacKey: secret.toString("base64url"),
    algorithms: ["HS256"],
    subjectClaim: "sub",
    groupsClaim: "roles",
    groupsFormat: "array",
  });
  await admin.policies.put("own-account", {
    entries: [{ actions: ["publish", "subscribe"], topic: "account/${claims.account}/#" }],
  });
  await admin.groups.put("customers", {
    provider: "ciam",
    value: "customer",
    policies: ["own-account"],
    scopes: ["messages"],
  });
});

afterAll(() => broker.close());

const claimsOf = (subject: string) => ({ sub: subject, account: `a-${subject}`, roles: ["customer"] });

function jwtOf(subject: string): Promise<string> {
  return new SignJWT(claimsOf(subject))
    .setProtectedHeader({ alg: "HS256", kid: "k1" })
    .setIssuer(ISSUER)
    .setAudience("weir")
    .setIssuedAt()
    .setExpirationTime("5m")
    .sign(secret);
}

describe("a JWT over REST", () => {
  it("may do what its groups give it: scopes for the call, policies for the topic", async () => {
    const customer = createWeirClient({ url, token: await jwtOf("carl") });
    await customer.messages.publish({ topic: "account/a-carl/order", payload: "1" });
    const other = customer.messages.publish({ topic: "account/a-dora/order", payload: "1" });
    await expect(other).rejects.toMatchObject({ code: "acl" });
    await expect(customer.tokens.list()).rejects.toMatchObject({ code: "scope" });
  });

  it("that is refused is a 401 and counts, as does one that is missing", async () => {
    const before = await failures();
    const forged = `${(await jwtOf("carl")).slice(0, -6)}AAAAAA`;
    await expect(createWeirClient({ url, token: forged }).audit.list()).rejects.toMatchObject({
      code: "unauthenticated",
    });
    expect((await fetch(`${url}/api/v1/audit`)).headers.get("www-authenticate")).toMatch(/^Bearer/);
    expect((await failures()) - before).toBe(2);
  });
});

async function failures(): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const counts = metrics.matchAll(/^weir_auth_failures_total\{[^}]*\} (\d+)$/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

describe("POST /sessions for a provider's claims", () => {
  it("collects for whoever comes with such a JWT", async () => {
    const session = await admin.sessions.create({
      provider: "ciam",
      claims: claimsOf("alice"),
      clientId: "alice-phone",
      subscriptions: [{ filter: "account/#", qos: 1 }],
    });
    expect(session).toMatchObject({
      identity: { subject: "alice" },
      provider: "ciam",
      groups: ["customer"],
      subscriptions: [{ effective: ["account/a-alice/#"] }],
    });
    await admin.messages.publish({ topic: "account/a-alice/balance", payload: "12", qos: 1 });
    const client = await broker.connect({
      clientId: "alice-phone",
      password: await jwtOf("alice"),
      cleanStart: false,
    });
    expect((await client.receiveMessage()).topic).toBe("account/a-alice/balance");
  });

  it("refuses claims that the provider would not accept, and a provider that is not there", async () => {
    const create = (provider: string, claims: object) =>
      admin.sessions.create({ provider, claims: claims as Record<string, unknown>, clientId: "c" });
    await expect(create("ciam", { account: "a" })).rejects.toMatchObject({ code: "invalid" });
    await expect(create("nobody", claimsOf("x"))).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("POST /access/explain for claims", () => {
  it("names the policy and the group that decide", async () => {
    const answer = await admin.access.explain({
      provider: "ciam",
      claims: claimsOf("bob"),
      action: "subscribe",
      topic: "#",
    });
    expect(answer).toMatchObject({
      allowed: true,
      effective: ["account/a-bob/#"],
      entries: [{ from: "policy own-account of group customers", filters: ["account/a-bob/#"] }],
    });
  });
});

describe("DELETE /sessions", () => {
  it.each([
    ["issuer", ISSUER],
    ["kid", "k1"],
    ["group", "customer"],
  ])("?%s= ends all of them in one call, and nobody else's", async (member, value) => {
    await admin.sessions.deleteMany({ issuer: ISSUER });
    const { key } = await admin.tokens.create({ subject: `${member}-token`, ttl: 60 });
    await broker.connect({ clientId: `${member}-token`, password: key });
    for (const subject of [`${member}-1`, `${member}-2`])
      await broker.connect({ clientId: subject, password: await jwtOf(subject) });
    expect((await admin.sessions.list({ [member]: value })).items).toHaveLength(2);
    expect(await admin.sessions.deleteMany({ [member]: value })).toEqual({ count: 2 });
    expect((await admin.sessions.list({ subject: `${member}-token` })).items).toHaveLength(1);
  });
});
