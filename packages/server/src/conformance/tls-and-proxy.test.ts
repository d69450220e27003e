import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type BrokerFixture,
  framed,
  makeCertificates,
  type MqttTestClient,
  openClient,
  startBroker,
  textOf,
} from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const certificates = makeCertificates();
const stranger = makeCertificates({ caName: "Another CA" });
const trusting = { ca: certificates.ca.cert };
const identified = { ...trusting, cert: certificates.client.cert, key: certificates.client.key };
const directory = mkdtempSync(join(tmpdir(), "weir-conformance-"));

afterAll(() => rmSync(directory, { recursive: true }));

function fileOf(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

const cert = fileOf("server.pem", certificates.server.cert);
const key = fileOf("server.key", certificates.server.key);
const clientCa = fileOf("ca.pem", certificates.ca.cert);

describe("TLS", () => {
  let broker: BrokerFixture;
  beforeAll(async () => {
    broker = await startBroker({ mqtt: { tls: { port: 0, cert, key } }, http: { tls: { cert, key } } });
  });
  afterAll(() => broker.close());

  test.each(["tls", "wss"] as const)(
    "carries MQTT as %s, in chunks of one byte and of 500,000 [MQTT-4.2-1]",
    async (over) => {
      const client = await broker.open({ over, tls: trusting });
      for (const byte of framed(0x10, `"MQTT" 05 02 0000 00 "${over}"`)) client.send(Uint8Array.of(byte));
      expect(await client.receive("connack")).toMatchObject({ reasonCode: 0 });
      await client.subscribe({ topicFilter: `large/${over}`, qos: 2 });
      const large = "x".repeat(500_000);
      await client.publish(`large/${over}`, large, { qos: 2 });
      expect(textOf(await client.receiveMessage())).toBe(large);
      expect(await client.disconnect()).toMatchObject({ disconnect: undefined });
    },
  );

  test.each([3, 4] as const)("carries MQTT level %i too, with its will when it is cut", async (version) => {
    const heir = await broker.connect();
    await heir.subscribe(`cut/${version}`);
    const will = {
      topic: `cut/${version}`,
      payload: Buffer.from(""),
      qos: 0,
      retain: false,
      properties: {},
    } as const;
    const client = await broker.connect({
      over: "tls",
      tls: trusting,
      version,
      clientId: `c${version}`,
      will,
    });
    await client.cut();
    expect((await heir.receive("publish")).topic).toBe(`cut/${version}`);
  });

  test("a client that does not trust the certificate sends no MQTT", async () => {
    const tls = { ca: stranger.ca.cert };
    await expect(broker.connect({ over: "tls", tls })).rejects.toThrow(/certificate/);
  });

  test("plain MQTT on the TLS port is closed without a word, and plain TCP goes on", async () => {
    const plain = await openClient(broker.addresses.mqttTls?.port ?? 0);
    plain.send(plain.connectPacket());
    await plain.closed;
    expect(plain.chunks.every((chunk) => chunk[0] !== 0x20)).toBe(true);
    await (await broker.connect()).expectSilence();
  });
});

describe("TLS with client certificates", () => {
  let broker: BrokerFixture;
  beforeAll(async () => {
    broker = await startBroker({ mqtt: { tls: { port: 0, cert, key, clientCa } } });
  });
  afterAll(() => broker.close());

  test.each([
    ["one of the CA", identified],
    ["none: certificates are optional", trusting],
  ])("let in who has %s", async (_, tls) => {
    const client = await broker.connect({ over: "tls", tls });
    await client.expectSilence();
  });

  test("do not let in who has one of another CA", async () => {
    const tls = { ...trusting, cert: stranger.client.cert, key: stranger.client.key };
    await expect(broker.connect({ over: "tls", tls })).rejects.toThrow();
    await (await broker.connect({ over: "tls", tls: identified })).expectSilence();
  });
});

describe("the PROXY protocol", () => {
  let broker: BrokerFixture;
  beforeAll(async () => {
    broker = await startBroker({
      mqtt: { proxyProtocol: ["127.0.0.1"], tls: { port: 0, cert, key } },
      http: { trustedProxies: ["127.0.0.1"] },
    });
  });
  afterAll(() => broker.close());

  const connect = framed(0x10, `"MQTT" 05 02 0000 00 "proxied"`);
  const v1 = (address: string): Buffer => Buffer.from(`PROXY TCP4 ${address} 127.0.0.1 40000 1883\r\n`);
  const v2 = (...address: readonly number[]): Buffer =>
    Buffer.concat([
      Buffer.from("0d0a0d0a000d0a515549540a21110010", "hex"), // signature, PROXY, TCP4, 16 bytes: 12 and a TLV
      Uint8Array.from([...address, 127, 0, 0, 1, 0x9c, 0x40, 0x07, 0x5b, 0x04, 0, 1, 0]),
    ]);

  async function proxied(...bytes: readonly Uint8Array[]): Promise<MqttTestClient> {
    const client = await broker.open();
    client.send(...bytes);
    return client;
  }

  // Anonymous clients are let in from loopback only: the answer tells whose address the broker has seen
  test.each([
    ["version 1", v1("127.0.0.9"), v1("203.0.113.7")],
    ["version 2", v2(127, 0, 0, 9), v2(203, 0, 113, 7)],
  ])(
    "%s says for whom the proxy speaks, and what follows in the same chunk is MQTT",
    async (_, local, remote) => {
      expect(await (await proxied(local, connect)).receive("connack")).toMatchObject({ reasonCode: 0 });
      expect(await (await proxied(remote, connect)).receive("connack")).toMatchObject({ reasonCode: 0x87 });
    },
  );

  test("the header may come byte by byte", async () => {
    const client = await broker.open();
    for (const byte of Buffer.concat([v2(127, 0, 0, 9), connect])) client.send(Uint8Array.of(byte));
    expect(await client.receive("connack")).toMatchObject({ reasonCode: 0 });
  });

  test("REST shows the client's address, not the proxy's", async () => {
    const client = await proxied(v1("127.0.0.42"), framed(0x10, `"MQTT" 05 02 0000 00 "shown"`));
    await client.receive("connack");
    expect(await broker.rest("GET", "/sessions?clientId=shown")).toMatchObject({
      items: [{ address: "127.0.0.42" }],
    });
  });

  test.each([
    ["no header", connect],
    ["half of one", Buffer.from("PROXY TCP4 127.0.0.1\r\n")],
    ["one with a broken address", Buffer.from("PROXY TCP4 127.0.0.999 127.0.0.1 1 2\r\n")],
    ["one without an end", Buffer.from(`PROXY ${"x".repeat(200)}`)],
  ])("a listed address that sends %s is closed without a word", async (_, bytes) => {
    const client = await proxied(bytes);
    await client.closed;
    expect(client.chunks).toEqual([]);
  });

  test("an address that is not listed may not send one: it is no CONNECT [MQTT-3.1.0-1]", async () => {
    const closed = await startBroker();
    const client = await closed.open();
    client.send(v1("127.0.0.9"), connect);
    await client.closed;
    expect(client.chunks).toEqual([]);
    await closed.close();
  });

  test("over WebSocket a listed proxy has to say in X-Forwarded-For for whom it speaks", async () => {
    await expect(broker.open({ over: "ws" })).rejects.toThrow("400");
    const from = async (forwarded: string): Promise<number> => {
      const client = await broker.open({ over: "ws", headers: { "x-forwarded-for": forwarded } });
      return (await client.connect()).reasonCode;
    };
    expect(await from("127.0.0.9")).toBe(0);
    expect(await from("203.0.113.7")).toBe(0x87);
    expect(await from("127.0.0.9, 203.0.113.7")).toBe(0x87); // who is nearer is believed
  });
});
