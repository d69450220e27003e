import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodePacket } from "@weir/protocol";
import { ADMIN_TOKEN, type BrokerProcess, startBrokerProcess } from "../../testing/hostile/broker-process.ts";
import { RawSocket } from "../../testing/hostile/raw-socket.ts";

interface Token {
  readonly id: string;
  readonly key: string;
}

describe("whoever tries keys", () => {
  let broker: BrokerProcess;
  let token: Token;
  let disabled: Token;
  let deleted: Token;
  let expired: Token;

  beforeAll(async () => {
    const limits = { loginFailures: 1_000_000 }; // who is slowed, login-failures.test.ts shows
    broker = await startBrokerProcess({ anonymous: { allow: "nobody" }, logLevel: "debug", limits });
    token = await makeToken({});
    disabled = await makeToken({ enabled: false });
    deleted = await makeToken({});
    await broker.rest("DELETE", `/api/v1/tokens/${deleted.id}`);
    const expiresAtMs = Date.now() + 3_000;
    expired = await makeToken({ expiresAt: new Date(expiresAtMs).toISOString() });
    await new Promise((resolve) => setTimeout(resolve, expiresAtMs + 100 - Date.now()));
  });
  afterAll(() => broker.stop());

  async function makeToken(declaration: object): Promise<Token> {
    const acl = [{ topic: "#", actions: ["publish", "subscribe"] }];
    const response = await broker.rest("POST", "/api/v1/tokens", { ttl: 3_600, acl, ...declaration });
    expect(response.status).toBe(201);
    return (await response.json()) as Token;
  }

  function wrongKeys(): string[] {
    const other = token.key.slice(0, -1) + (token.key.endsWith("A") ? "B" : "A");
    return [
      other,
      disabled.key,
      deleted.key,
      expired.key,
      `${token.key}x`,
      token.key.slice(0, -1),
      token.key.toUpperCase(),
      token.key.replace(token.id, disabled.id),
      `weir_${token.id}_`,
      "weir_unknown_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
      "weir__",
      "hunter2-is-not-the-password",
      ADMIN_TOKEN.slice(0, -1),
      "x".repeat(65_535),
    ];
  }

  /** All that the broker says to a CONNECT with these credentials, until it closes. */
  async function answerTo(
    version: 4 | 5,
    credentials: { username?: string; password?: Uint8Array },
  ): Promise<string> {
    const socket = await RawSocket.open(broker.addresses.mqtt.port);
    const fields = { clientId: "guesser", cleanStart: true, keepAlive: 0, properties: {} } as const;
    socket.send(
      encodePacket({ type: "connect", protocolVersion: version, ...fields, ...credentials }, version),
    );
    const answer = (await socket.closed()).toString("hex");
    socket.destroy();
    return answer;
  }

  it.each([
    [5, "2003008600"],
    [4, "20020004"],
  ] as const)("over MQTT %i gets the same bytes whatever is wrong with the key", async (version, bytes) => {
    for (const key of wrongKeys()) {
      expect(
        await answerTo(version, { username: "anybody", password: Buffer.from(key) }),
        key.slice(0, 60),
      ).toBe(bytes);
      expect(await answerTo(version, { username: key }), key.slice(0, 60)).toBe(bytes);
    }
  });

  it("gets as password whatever bytes there are refused alike", async () => {
    for (const password of [Buffer.alloc(0), Buffer.alloc(1), Buffer.from("ff00fe", "hex")]) {
      expect(await answerTo(5, { password })).toBe("2003008600");
    }
  });

  it("over REST gets the same answer, too", async () => {
    const { port } = broker.addresses.http;
    const answers = new Set<string>();
    for (const key of wrongKeys().filter((one) => one.length < 10_000)) {
      const headers = { authorization: `Bearer ${key}` };
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/tokens/self`, { headers });
      answers.add(`${response.status} ${response.headers.get("www-authenticate")} ${await response.text()}`);
    }
    expect([...answers]).toHaveLength(1);
    expect([...answers][0]).toMatch(/^401 /);
  });

  it("is counted, and lets the right key in afterwards", async () => {
    expect(await broker.metric('weir_auth_failures_total{reason="bad-credential"}')).toBeGreaterThan(50);
    const client = await broker.connect({ password: token.key });
    await client.expectSilence();
  });

  it("finds no secret in the log, neither a right one nor what was tried", async () => {
    const log = (await broker.log()).join("\n");
    expect(log.length).toBeGreaterThan(1_000);
    const secrets = [token, disabled, deleted, expired].map(({ key }) => key.slice(key.lastIndexOf("_") + 1));
    for (const secret of [
      ...secrets,
      ...wrongKeys().filter((key) => !key.startsWith("weir_")),
      ADMIN_TOKEN,
    ]) {
      expect(log.includes(secret), secret.slice(0, 60)).toBe(false);
    }
  });
});
