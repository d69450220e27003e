import { Buffer } from "node:buffer";
import { describe, expect, it } from "vitest";
import { bytesOf, decodeAll, decoderOf, packetOf, u16, varint } from "../testing/wire.ts";
import { encodePacket, PacketDecoder, pureTextCodec } from "./index.ts";
import type { PublishPacket, TextCodec } from "./index.ts";

const MIB = 1_048_576;

function publishOf(topic: string, payload: Uint8Array): PublishPacket {
  return { type: "publish", topic, payload, qos: 0, retain: false, dup: false, packetId: 0 };
}

describe("PacketDecoder", () => {
  it("gives the payload of a packet within one chunk as a view of that chunk", () => {
    const chunk = packetOf(0x30, "a", new Uint8Array(100));
    const [packet] = decodeAll(decoderOf({ version: 4 }), chunk);
    expect((packet as PublishPacket).payload.buffer).toBe(chunk.buffer);
  });

  it("gives payloads that no later packet touches, when packets are split over chunks", () => {
    const decoder = decoderOf({ version: 4 });
    const frames = [1, 2, 3].map((fill) => packetOf(0x30, "a", new Uint8Array(500).fill(fill)));
    const bytes = Buffer.concat(frames);
    const chunks = [bytes.subarray(0, 300), bytes.subarray(300, 800), bytes.subarray(800)];
    const payloads = decodeAll(decoder, ...chunks).map((packet) => (packet as PublishPacket).payload);
    expect(payloads).toEqual([1, 2, 3].map((fill) => new Uint8Array(500).fill(fill)));
  });

  it("tells the bytes of an unfinished packet", () => {
    const decoder = decoderOf({ version: 4 });
    const packet = packetOf(0x30, "topic", new Uint8Array(300));
    decodeAll(decoder, packet, packet.subarray(0, 2));
    expect(decoder.bufferedBytes).toBe(2);
    decodeAll(decoder, packet.subarray(2, 100));
    expect(decoder.bufferedBytes).toBe(100);
    expect(decodeAll(decoder, packet.subarray(100))).toHaveLength(1);
    expect(decoder.bufferedBytes).toBe(0);
  });

  it("takes a packet of 1 MiB one byte at a time in linear time", () => {
    const packet = publishOf("a", new Uint8Array(MIB).fill(7));
    const bytes = encodePacket(packet, 4);
    const decoder = decoderOf({ version: 4, maxPacketBytes: 2 * MIB });
    for (let index = 0; index < bytes.length - 1; index++) {
      decoder.push(bytes.subarray(index, index + 1));
      if (decoder.next() !== undefined) expect.unreachable("a packet before its last byte");
    }
    decoder.push(bytes.subarray(bytes.length - 1));
    const found = decoder.next() as PublishPacket;
    expect(Buffer.compare(found.payload, packet.payload)).toBe(0);
  });

  it("refuses by the first byte alone what that byte condemns", () => {
    const decoder = decoderOf({ version: 5 });
    decoder.push(bytesOf(0x36));
    expect(() => decoder.next()).toThrow("QoS of 3");
  });

  it("gives the same topic string again for the same bytes, and another for others", () => {
    const decoder = decoderOf({ version: 4 });
    const chunk = Buffer.from(packetOf(0x30, "data/a", 1));
    decoder.push(chunk);
    expect(decoder.next()).toMatchObject({ topic: "data/a" });
    chunk.set(packetOf(0x30, "data/b", 1));
    decoder.push(chunk);
    expect(decoder.next()).toMatchObject({ topic: "data/b" });
    for (const topic of ["data/b", "data/bb", "data", "", "data/b"]) {
      const alias = topic === "" ? [3, 0x23, ...u16(1)] : [0];
      const decoder5 = decoderOf({ version: 5 });
      const packets = decodeAll(decoder5, packetOf(0x30, "data/b", 0), packetOf(0x30, topic, alias));
      expect(packets[1]).toMatchObject({ topic });
    }
  });

  it("decodes a topic that repeats only once", () => {
    let decoded = 0;
    const text: TextCodec = {
      ...pureTextCodec,
      decode: (...where) => {
        decoded++;
        return pureTextCodec.decode(...where);
      },
    };
    const decoder = new PacketDecoder({ from: "client", maxPacketBytes: MIB, protocolVersion: 4, text });
    const chunk = bytesOf(0xc0, 0, packetOf(0x30, "data/a", 1), packetOf(0x30, "data/a", 2));
    decodeAll(decoder, chunk, chunk);
    expect(decoded).toBe(1);
  });

  it("does not take a topic whose payload continues it for the remembered one", () => {
    const longer = packetOf(0x30, "data/b");
    const shorter = packetOf(0x30, "data", 0x2f, 0x62);
    const found = decodeAll(decoderOf({ version: 4 }), longer, shorter, longer);
    expect(found.map((packet) => (packet as PublishPacket).topic)).toEqual(["data/b", "data", "data/b"]);
  });

  it("remembers no topic that was refused", () => {
    const decoder = decoderOf({ version: 4 });
    decoder.push(packetOf(0x30, "a/#"));
    expect(() => decoder.next()).toThrow("wildcard");
  });

  it("does not take a topic beyond 1,024 bytes for the remembered one", () => {
    const long = "x".repeat(2_000);
    const topics = ["a", long, "a", long].map((topic) => packetOf(0x30, topic));
    const found = decodeAll(decoderOf({ version: 4 }), ...topics);
    expect(found.map((packet) => (packet as PublishPacket).topic)).toEqual(["a", long, "a", long]);
  });

  it("keeps no room for what a packet only announces", () => {
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 100 }, () => {
      const decoder = decoderOf({ version: 4, maxPacketBytes: 256 * MIB });
      decodeAll(decoder, bytesOf(0x30, varint(200 * MIB), u16(1), 0x61));
      return decoder;
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10 * MIB);
    expect(decoders[0]!.bufferedBytes).toBe(8);
  });
});
