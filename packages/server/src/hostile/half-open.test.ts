import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodePacket } from "@weir/protocol";
import type { MqttTestClient } from "@weir/testkit";
import { Bystanders } from "../../testing/hostile/bystanders.ts";
import {
  type BrokerMeasure,
  type BrokerProcess,
  startBrokerProcess,
} from "../../testing/hostile/broker-process.ts";
import { certificateFiles } from "../../testing/hostile/certificate-files.ts";
import { RawSocket } from "../../testing/hostile/raw-socket.ts";

const COUNT = 500;

const connect = Buffer.from(
  encodePacket(
    {
      type: "connect",
      protocolVersion: 5,
      clientId: "slow".repeat(25),
      cleanStart: true,
      keepAlive: 0,
      properties: {},
    },
    5,
  ),
);

/** What they cost is given back. */
async function expectNothingLeft(broker: BrokerProcess, before: BrokerMeasure): Promise<void> {
  const now = await broker.measure();
  expect(now.errors).toEqual([]);
  expect(now.openFiles - before.openFiles).toBeLessThanOrEqual(3);
  expect(now.liveMegabytes - before.liveMegabytes).toBeLessThan(8);
}

describe("connections that never say what they want", () => {
  let broker: BrokerProcess;
  let bystanders: Bystanders;
  let before: BrokerMeasure;

  beforeAll(async () => {
    const { remove, ...files } = certificateFiles();
    broker = await startBrokerProcess({
      mqtt: { tls: { port: 0, ...files } },
      limits: { connectTimeoutS: 1, maxHandshakes: 2 * COUNT, maxHttpConnections: 2 * COUNT },
    });
    remove();
    bystanders = await Bystanders.start(broker);
    before = await broker.measure();
  });
  afterAll(async () => {
    await broker.stop();
  });

  it("over TCP, without a byte, end with the time for CONNECT", async () => {
    const sockets = await RawSocket.openMany(COUNT, broker.addresses.mqtt.port);
    await Promise.all(sockets.map((socket) => socket.closed()));
    expect(await broker.metric('weir_limit_reached_total{limit="limits.connectTimeoutS"}')).toBe(COUNT);
    await expectNothingLeft(broker, before);
  });

  it("over TCP, a byte at a time, end with it too: bytes buy no time", async () => {
    const sockets = await RawSocket.openMany(50, broker.addresses.mqtt.port);
    let next = 0;
    const drip = setInterval(() => {
      const byte = connect.subarray(next, ++next);
      for (const socket of sockets) socket.send(byte);
    }, 100);
    const answers = await Promise.all(sockets.map((socket) => socket.closed()));
    clearInterval(drip);
    expect(next).toBeLessThan(connect.length);
    expect(answers.every((answer) => answer.length === 0)).toBe(true);
    await expectNothingLeft(broker, before);
  });

  it("over TLS, without a handshake, end with it too", async () => {
    const sockets = await RawSocket.openMany(COUNT, broker.addresses.mqttTls?.port ?? 0);
    await Promise.all(sockets.map((socket) => socket.closed()));
    await expectNothingLeft(broker, before);
  });

  it("over HTTP, silent or with an upgrade that is never finished, end with it too", async () => {
    const sockets = await RawSocket.openMany(100, broker.addresses.http.port);
    for (const socket of sockets.slice(50))
      socket.send("GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n");
    const answers = await Promise.all(sockets.map((socket) => socket.closed()));
    for (const answer of answers) expect(answer.toString()).toMatch(/^(HTTP\/1.1 4|$)/);
    await expectNothingLeft(broker, before);
  });

  it("cost the bystanders nothing", async () => {
    expect(await bystanders.stop()).toMatchObject({ exchanged: expect.any(Number) as number });
  });
});

describe("more connections that never say what they want", () => {
  let broker: BrokerProcess;
  let before: BrokerMeasure;

  // None of them ends with the time for CONNECT
  beforeAll(async () => {
    const limits = { connectTimeoutS: 60, maxHandshakes: 2 * COUNT, maxHandshakeBytes: 1_048_576 };
    broker = await startBrokerProcess({ limits });
    before = await broker.measure();
  });
  afterAll(() => broker.stop());

  it("than allowed cost the oldest their place, never a client", async () => {
    const sockets = await RawSocket.openMany(2 * COUNT, broker.addresses.mqtt.port);
    const oldest = sockets.slice(0, 10);
    const more = await RawSocket.openMany(COUNT, broker.addresses.mqtt.port);
    const client = await broker.connect({ clientId: "in-the-crowd" });
    await client.expectSilence();
    await Promise.all(oldest.map((socket) => socket.closed()));
    expect(
      await broker.metric('weir_limit_reached_total{limit="limits.maxHandshakes"}'),
    ).toBeGreaterThanOrEqual(COUNT);
    for (const socket of [...sockets, ...more]) socket.destroy();
    await client.cut();
    await expectNothingLeft(broker, before);
  });

  it("in bytes than allowed do, too: a CONNECT of 128 KiB that never ends is no place to hide memory", async () => {
    const unfinished = Buffer.concat([
      Buffer.from("10ffff06", "hex"),
      connect.subarray(2, 12),
      Buffer.alloc(100_000),
    ]);
    const sockets = await RawSocket.openMany(40, broker.addresses.mqtt.port);
    for (const socket of sockets) socket.send(unfinished);
    await Promise.all(sockets.slice(0, 20).map((socket) => socket.closed()));
    expect(
      await broker.metric('weir_limit_reached_total{limit="limits.maxHandshakeBytes"}'),
    ).toBeGreaterThanOrEqual(20);
    for (const socket of sockets) socket.destroy();
    await expectNothingLeft(broker, before);
  });
});

describe("more HTTP connections than allowed", () => {
  it("are cut, while those that became WebSockets do not count", async () => {
    const broker = await startBrokerProcess({ limits: { maxHttpConnections: 20 } });
    const clients: MqttTestClient[] = [];
    for (let at = 0; at < 30; at++) clients.push(await broker.connect({ over: "ws", clientId: `${at}` }));
    const sockets = await RawSocket.openMany(40, broker.addresses.http.port);
    await Promise.all(sockets.slice(20).map((socket) => socket.closed()));
    expect(sockets.filter((socket) => socket.isClosed)).toHaveLength(20);
    await Promise.all(clients.map((client) => client.expectSilence()));
    for (const socket of sockets) socket.destroy();
    // Asking takes a connection, too: until the broker has seen the others go there is no room for it
    const reached = (): Promise<number> =>
      broker.metric('weir_limit_reached_total{limit="limits.maxHttpConnections"}').catch(() => 0);
    await expect.poll(reached).toBeGreaterThanOrEqual(20);
    await broker.stop();
  });
});
