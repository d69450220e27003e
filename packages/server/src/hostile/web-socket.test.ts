import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodePacket } from "@weir/protocol";
import { Bystanders } from "../../testing/hostile/bystanders.ts";
import {
  type BrokerMeasure,
  type BrokerProcess,
  startBrokerProcess,
} from "../../testing/hostile/broker-process.ts";
import { RawSocket } from "../../testing/hostile/raw-socket.ts";

const UPGRADE = [
  "GET /mqtt HTTP/1.1",
  "Host: 127.0.0.1",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Protocol: mqtt",
];
const CONTINUATION = 0x00;
const TEXT = 0x81;
const BINARY = 0x02;
const BINARY_FINAL = 0x82;
const CLOSE = 0x88;
const PING = 0x89;

const connect = encodePacket(
  { type: "connect", protocolVersion: 5, clientId: "w", cleanStart: true, keepAlive: 0, properties: {} },
  5,
);

/** Masked with zeros. The length is what the header says, whatever follows. */
function frame(first: number, payload: Uint8Array, length = payload.length): Buffer {
  const short =
    length < 126 ? [0x80 | length] : [0xff, ...Buffer.from(length.toString(16).padStart(16, "0"), "hex")];
  return Buffer.concat([Buffer.from([first, ...short, 0, 0, 0, 0]), payload]);
}

describe("a WebSocket that misbehaves", () => {
  let broker: BrokerProcess;
  let bystanders: Bystanders;
  let before: BrokerMeasure;

  beforeAll(async () => {
    broker = await startBrokerProcess({ limits: { connectTimeoutS: 2 } });
    bystanders = await Bystanders.start(broker);
    before = await broker.measure();
  });
  afterAll(async () => {
    await broker.stop();
  });

  async function upgraded(): Promise<RawSocket> {
    const socket = await RawSocket.open(broker.addresses.http.port);
    socket.send(`${UPGRADE.join("\r\n")}\r\n\r\n`);
    const answer = await socket.receive(100);
    expect(answer.toString()).toMatch(/^HTTP\/1.1 101 /);
    return socket;
  }

  /** The status in the close frame behind the upgrade's answer; undefined: there is none. */
  function closeStatus(received: Buffer): number | undefined {
    const frames = received.subarray(received.indexOf("\r\n\r\n") + 4);
    const at = frames.indexOf(CLOSE);
    return at < 0 || frames.length < at + 4 ? undefined : frames.readUInt16BE(at + 2);
  }

  it.each([
    ["a frame that announces 8 EiB", 1009, frame(BINARY_FINAL, Buffer.alloc(10), 2 ** 52)],
    ["a frame that announces 16 MiB", 1009, frame(BINARY_FINAL, Buffer.alloc(10), 16 * 1_048_576)],
    ["a frame without a mask", 1002, Buffer.from("820101", "hex")],
    ["a reserved opcode", 1002, frame(0x83, Buffer.alloc(1))],
    ["a compressed frame, which was not agreed on", 1002, frame(0xc2, Buffer.alloc(1))],
    ["a continuation of nothing", 1002, frame(CONTINUATION, Buffer.alloc(1))],
    ["a ping in fragments", 1002, frame(0x09, Buffer.alloc(1))],
    ["a ping of 126 bytes", 1002, Buffer.concat([Buffer.from("89fe007e00000000", "hex"), Buffer.alloc(126)])],
    ["a text frame", 1003, frame(TEXT, Buffer.from("hello"))],
    ["a close frame with half a status", 1002, frame(CLOSE, Buffer.alloc(1))],
  ])("%s: the status %i, and the end", async (_what, status, bytes) => {
    const socket = await upgraded();
    socket.send(bytes);
    expect(closeStatus(await socket.closed())).toBe(status);
  });

  it("2,000 fragments of a byte: the status 1008, and the end", async () => {
    const socket = await upgraded();
    const fragments = Array.from({ length: 2_000 }, () => frame(CONTINUATION, Buffer.alloc(1)));
    socket.send(Buffer.concat([frame(BINARY, Buffer.alloc(1)), ...fragments]));
    expect(closeStatus(await socket.closed())).toBe(1008);
  });

  it("a CONNECT in fragments of a byte, each with an empty fragment and a ping behind it, is understood", async () => {
    const socket = await upgraded();
    const head = (await socket.receive(0)).length;
    const parts = Array.from(connect, (byte, at) => [
      frame(at === 0 ? BINARY : CONTINUATION, Uint8Array.of(byte)),
      frame(CONTINUATION, Buffer.alloc(0)),
      frame(PING, Buffer.from("p")),
    ]);
    socket.send(Buffer.concat([...parts.flat(), frame(CONTINUATION | 0x80, Buffer.alloc(0))]));
    await expect.poll(() => socket.received.subarray(head).includes(0x20)).toBe(true);
    socket.destroy();
  });

  it("megabytes of pings to a peer that does not read: cut, and memory is as it was", async () => {
    const socket = await upgraded();
    socket.send(frame(BINARY_FINAL, connect));
    socket.freeze();
    const pings = Buffer.concat(Array.from({ length: 10_000 }, () => frame(PING, Buffer.alloc(125))));
    for (let round = 0; round < 20 && (await socket.sendAll(pings)); round++);
    const { liveMegabytes } = await broker.measure();
    expect(liveMegabytes - before.liveMegabytes).toBeLessThan(16);
    socket.destroy();
  });

  it("pings alone do not replace the CONNECT: it ends with the time for that", async () => {
    const socket = await upgraded();
    const ping = setInterval(() => socket.send(frame(PING, Buffer.alloc(0))), 100);
    await socket.closed();
    clearInterval(ping);
  });

  it("a thousand close frames end it once", async () => {
    const socket = await upgraded();
    socket.send(Buffer.concat(Array.from({ length: 1_000 }, () => frame(CLOSE, Buffer.from([0x03, 0xe8])))));
    expect(closeStatus(await socket.closed())).toBe(1000);
  });

  it("costs the others nothing, and leaves nothing open", async () => {
    expect((await bystanders.stop()).exchanged).toBeGreaterThan(50);
    const now = await broker.measure();
    expect(now.errors).toEqual([]);
    expect(now.openFiles - before.openFiles).toBeLessThanOrEqual(3);
    expect(now.liveMegabytes - before.liveMegabytes).toBeLessThan(16);
  });
});
