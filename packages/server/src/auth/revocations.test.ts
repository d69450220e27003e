import { ReasonCode } from "@weir/protocol";
import { type BrokerFixture, FakeClock, type MqttTestClient, startBroker } from "@weir/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TestIssuer } from "../../testing/test-issuer.ts";

let issuer: TestIssuer;
let broker: BrokerFixture;
let clock: FakeClock;

beforeEach(async () => {
  clock = new FakeClock({ soon: "immediate" });
  issuer = await TestIssuer.open();
  issuer.nowS = () => Math.floor(clock.nowMs() / 1_000);
  broker = await startBroker({ clock, anonymous: { allow: "nobody" } });
  await broker.rest("PUT", "/providers/ciam", issuer.provider({ realm: "staff" }));
});

afterEach(async () => {
  await broker.close();
  await issuer.close();
});

const revoke = (selector: object): Promise<unknown> =>
  broker.rest("POST", "/revocations", { realm: "staff", ...selector });

async function connackOf(jwt: string): Promise<number> {
  const client = await broker.open({ password: jwt });
  const { reasonCode } = await client.connect();
  await client.cut();
  return reasonCode;
}

async function endOf(client: MqttTestClient): Promise<number | undefined> {
  return (await client.closed).disconnect?.reasonCode;
}

describe("POST /revocations", () => {
  it.each([
    ["a subject", { subject: "alice" }],
    ["a jti", { jti: "j1" }],
    ["a key", { kid: "k1" }],
    ["a claim", { claim: { path: "account.id", value: 7 } }],
    ["a claim that is a list", { claim: { path: "devices", value: "d2" } }],
  ])(
    "by %s ends what was issued before, now and when it comes again, and nothing else",
    async (_by, selector) => {
      const fresh = await issuer.addKey("ES256");
      clock.advance(5_000);
      const jwt = await issuer.sign({ jti: "j1", account: { id: 7 }, devices: ["d1", "d2"] });
      const other = { sub: "bob", jti: "j2", account: { id: 8 }, devices: ["d1"] };
      const bob = await broker.connect({ password: await issuer.sign(other, { key: fresh }) });
      const client = await broker.connect({ password: jwt });
      clock.advance(1_000);
      await revoke(selector);
      expect(await endOf(client)).toBe(ReasonCode.administrativeAction);
      expect(await connackOf(jwt)).toBe(ReasonCode.badUserNameOrPassword);
      expect(broker.log.join("")).toContain("jwt-revoked");
      expect((await broker.restAs(jwt, "GET", "/tokens")).status).toBe(401);
      await bob.subscribe("x");
      clock.advance(1_000);
      const later = await issuer.sign({ jti: "j1", account: { id: 7 }, devices: ["d1", "d2"] });
      expect(await connackOf(later)).toBe(ReasonCode.success);
    },
  );

  it("ends what was issued before a time in the past, and not what was issued after it", async () => {
    const early = await issuer.sign();
    clock.advance(60_000);
    const notBefore = new Date(clock.nowMs() - 30_000).toISOString();
    const late = await issuer.sign();
    await revoke({ subject: "alice", notBefore });
    expect(await connackOf(early)).toBe(ReasonCode.badUserNameOrPassword);
    expect(await connackOf(late)).toBe(ReasonCode.success);
    // An earlier time takes nothing back.
    await revoke({ subject: "alice", notBefore: new Date(clock.nowMs() - 3_600_000).toISOString() });
    expect(await connackOf(early)).toBe(ReasonCode.badUserNameOrPassword);
  });

  it("publishes no will of a session that it ends (semantics.md §1.10)", async () => {
    await broker.rest("PUT", "/policies/all", {
      entries: [{ actions: ["publish", "subscribe"], topic: "#" }],
    });
    await broker.rest("PUT", "/groups/g", { provider: "ciam", value: "g", policies: ["all"] });
    const watcher = await broker.connect({ password: await issuer.sign({ sub: "bob", groups: ["g"] }) });
    await watcher.subscribe("#");
    const will = { topic: "will", payload: Buffer.from("x"), qos: 0, retain: false, properties: {} } as const;
    const client = await broker.connect({ password: await issuer.sign({ groups: ["g"] }), will });
    clock.advance(1_000);
    await revoke({ subject: "alice" });
    await client.closed;
    await watcher.expectSilence();
  });

  it.each([
    [{ realm: "staff" }, /exactly one/],
    [{ realm: "staff", subject: "a", kid: "k" }, /exactly one/],
    [{ realm: "token", subject: "a" }, /realm/],
    [{ realm: "other", subject: "a" }, /realm/],
    [{ realm: "staff", subject: "a", notBefore: "2999-01-01T00:00:00Z" }, /future/],
  ])("refuses %j with 400", async (body, problem) => {
    await expect(broker.rest("POST", "/revocations", body)).rejects.toThrow(problem);
  });

  it("needs the scope sessions", async () => {
    const key = await broker.token({ scopes: ["messages"] });
    expect((await broker.restAs(key, "POST", "/revocations", { realm: "staff", subject: "a" })).status).toBe(
      403,
    );
  });
});
