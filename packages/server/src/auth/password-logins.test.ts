import { pbkdf2Sync } from "node:crypto";
import { ReasonCode } from "@weir/protocol";
import { type BrokerFixture, startBroker } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createVerifier, isVerifier, matchesVerifier } from "./password-verifier.ts";

/** As mosquitto_passwd writes it. */
function mosquittoVerifier(password: string, iterations = 101): string {
  const salt = Buffer.alloc(12, 7);
  const hash = pbkdf2Sync(password, salt, iterations, 64, "sha512");
  return `$7$${iterations}$${salt.toString("base64")}$${hash.toString("base64")}`;
}

describe("a verifier", () => {
  it("of argon2id matches its password, and no other", async () => {
    const verifier = await createVerifier("päss");
    expect(verifier).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await matchesVerifier("päss", verifier)).toBe(true);
    expect(await matchesVerifier("pass", verifier)).toBe(false);
    expect(await createVerifier("päss")).not.toBe(verifier);
  });

  it("of mosquitto_passwd ($7$) matches its password", async () => {
    const verifier = mosquittoVerifier("old");
    expect(await matchesVerifier("old", verifier)).toBe(true);
    expect(await matchesVerifier("new", verifier)).toBe(false);
  });

  it.each([
    "secret",
    "$7$",
    "$7$0$AAAAAAAAAAAAAAAA$AAAA",
    "$6$rounds=1000$x$y",
    mosquittoVerifier("x").replace("$101$", "$9999999$"),
    "$argon2id$v=19$m=9999999,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "$argon2id$v=19$m=65536,t=99,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  ])("is not %j: it would be a password, or too much work", (text) => expect(isVerifier(text)).toBe(false));
});

describe("a token with a user name", () => {
  let broker: BrokerFixture;
  const acl = [{ actions: ["subscribe"], topic: "dev/#" }];

  beforeAll(async () => {
    broker = await startBroker({ anonymous: { allow: "nobody" } });
  });
  afterAll(() => broker.close());

  async function connackOf(username: string, password: string): Promise<number> {
    const client = await broker.open({ username, password });
    const { reasonCode } = await client.connect();
    await client.cut();
    return reasonCode;
  }

  it("lets in who shows its name and password, and nobody with another", async () => {
    const key = await broker.token({ username: "pump", password: "s3cret", acl });
    expect(await connackOf("pump", "s3cret")).toBe(ReasonCode.success);
    expect(await connackOf("pump", "s3cret")).toBe(ReasonCode.success);
    expect(await connackOf("pump", "wrong")).toBe(ReasonCode.badUserNameOrPassword);
    expect(await connackOf("pomp", "s3cret")).toBe(ReasonCode.badUserNameOrPassword);
    // The name is the token's: the password is checked against its verifier, and nothing else.
    expect(await connackOf("pump", key)).toBe(ReasonCode.badUserNameOrPassword);
    expect(await connackOf("anything", key)).toBe(ReasonCode.success);
  });

  it("takes no key away from the clients of other tenants, who may send any user name", async () => {
    await broker.rest("PUT", "/tenants/acme", {});
    const declaration = { ttl: 3_600, acl };
    const named = { ...declaration, username: "shared-name", password: "of default" };
    await broker.rest("POST", "/tokens", named);
    const { key } = (await broker.rest("POST", "/tokens?tenant=acme", declaration)) as { key: string };
    expect(await connackOf("shared-name", key)).toBe(ReasonCode.success);
    expect(await connackOf("shared-name", "of default")).toBe(ReasonCode.success);
    expect(await connackOf("shared-name", await broker.token({ acl }))).toBe(
      ReasonCode.badUserNameOrPassword,
    );
    expect(await connackOf("shared-name", "a.b.c")).toBe(ReasonCode.badUserNameOrPassword);
  });

  it("takes verifiers of mosquitto as they are, and shows none", async () => {
    await broker.token({ username: "valve", password: mosquittoVerifier("fleet"), acl });
    expect(await connackOf("valve", "fleet")).toBe(ReasonCode.success);
    expect(await connackOf("valve", mosquittoVerifier("fleet"))).toBe(ReasonCode.badUserNameOrPassword);
    const tokens = JSON.stringify(await broker.rest("GET", "/tokens?limit=100"));
    expect(tokens).toContain('"username":"valve"');
    expect(tokens).not.toMatch(/\$7\$|argon2|fleet|verifier/i);
    expect(broker.log.join("")).not.toMatch(/s3cret|\$7\$/);
  });

  it("is one of its tenant; its password changes at once, and goes with the name", async () => {
    const { id } = (await broker.rest("POST", "/tokens", {
      ttl: 60,
      username: "one",
      password: "a",
      acl,
    })) as {
      id: string;
    };
    await expect(broker.token({ username: "one", password: "b", acl })).rejects.toThrow(/409.*username/s);
    await expect(broker.token({ username: "two", acl })).rejects.toThrow(/400.*password/s);
    await expect(broker.token({ password: "two", acl })).rejects.toThrow(/400.*username/s);
    expect(await connackOf("one", "a")).toBe(ReasonCode.success);
    await broker.rest("PATCH", `/tokens/${id}`, { name: "renamed" });
    expect(await connackOf("one", "a")).toBe(ReasonCode.success);
    await broker.rest("PATCH", `/tokens/${id}`, { password: "c" });
    expect(await connackOf("one", "a")).toBe(ReasonCode.badUserNameOrPassword);
    expect(await connackOf("one", "c")).toBe(ReasonCode.success);
    await broker.rest("PATCH", `/tokens/${id}`, { enabled: false });
    expect(await connackOf("one", "c")).toBe(ReasonCode.badUserNameOrPassword);
    await broker.rest("PATCH", `/tokens/${id}`, { enabled: true, username: null });
    expect(await connackOf("one", "c")).toBe(ReasonCode.badUserNameOrPassword);
  });

  it("a wrong password and an unknown name take as long as each other", async () => {
    await broker.token({ username: "timed", password: "right", acl });
    const medianMs = async (username: string): Promise<number> => {
      const times: number[] = [];
      for (let i = 0; i < 9; i++) {
        const before = performance.now();
        await connackOf(username, `wrong ${i}`);
        times.push(performance.now() - before);
      }
      return times.sort((a, b) => a - b)[4] as number;
    };
    const [known, unknown] = [await medianMs("timed"), await medianMs("nobody")];
    expect(Math.max(known, unknown) / Math.min(known, unknown)).toBeLessThan(3);
  });
});
