import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packets } from "../testing/packet-arbitraries.ts";
import { decodeAll, decoderOf } from "../testing/wire.ts";
import { encodePacket } from "./index.ts";
import type { Packet, ProtocolVersion } from "./index.ts";

const versions: readonly ProtocolVersion[] = [3, 4, 5];
const sides = ["client", "server"] as const;

describe.each(versions)("MQTT level %i", (version) => {
  describe.each(sides)("from a %s", (from) => {
    it("gives back every packet that was encoded", () => {
      fc.assert(
        fc.property(packets(version, from), (packet) => {
          const decoder = decoderOf({ from, version });
          expect(decodeAll(decoder, encodePacket(packet, version))).toEqual([packet]);
          expect(decoder.bufferedBytes).toBe(0);
        }),
        { numRuns: 4_000 },
      );
    });

    it("gives the same packets however the bytes are cut", () => {
      fc.assert(
        fc.property(streams(version, from), fc.array(fc.integer({ min: 1, max: 200 })), (stream, cuts) => {
          const bytes = Buffer.concat(stream.map((packet) => encodePacket(packet, version)));
          expect(decodeAll(decoderOf({ from, version }), ...cut(bytes, cuts))).toEqual(stream);
        }),
        { numRuns: 1_000 },
      );
    });

    it("gives the same packets from one byte at a time", () => {
      fc.assert(
        fc.property(streams(version, from), (stream) => {
          const bytes = Buffer.concat(stream.map((packet) => encodePacket(packet, version)));
          expect(decodeAll(decoderOf({ from, version }), ...cut(bytes, [1]))).toEqual(stream);
        }),
        { numRuns: 200 },
      );
    });

    it("gives the same packets when chunks pile up before they are read", () => {
      fc.assert(
        fc.property(streams(version, from), fc.integer({ min: 1, max: 90 }), (stream, size) => {
          const bytes = Buffer.concat(stream.map((packet) => encodePacket(packet, version)));
          const decoder = decoderOf({ from, version });
          for (const chunk of cut(bytes, [size])) decoder.push(chunk);
          expect(decoder.bufferedBytes).toBe(bytes.length);
          expect(decodeAll(decoder, new Uint8Array(0))).toEqual(stream);
        }),
        { numRuns: 200 },
      );
    });
  });
});

// A client says CONNECT once only
function streams(version: ProtocolVersion, from: "client" | "server"): fc.Arbitrary<Packet[]> {
  const later = packets(version, from).filter((packet) => packet.type !== "connect");
  return fc.array(later, { minLength: 1, maxLength: 12 });
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let start = 0;
  for (let index = 0; start < bytes.length; index++) {
    const size = sizes[index % Math.max(sizes.length, 1)] ?? bytes.length;
    chunks.push(bytes.subarray(start, start + size));
    start += size;
  }
  return chunks;
}
