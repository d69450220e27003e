import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packets } from "../testing/packet-arbitraries.ts";
import { decodeAll, decoderOf } from "../testing/wire.ts";
import { encodePacket, ProtocolError } from "./index.ts";
import type { Peer } from "../testing/wire.ts";

const MAX_PACKET_BYTES = 4_096;

const peers = fc.record({
  from: fc.constantFrom("client" as const, "server" as const),
  version: fc.constantFrom(3 as const, 4 as const, 5 as const),
});

/** Decodes, and fails on anything but packets and a ProtocolError. */
function survive(peer: Peer, chunks: readonly Uint8Array[]): void {
  const decoder = decoderOf({ ...peer, maxPacketBytes: MAX_PACKET_BYTES });
  let refusal: unknown;
  for (const chunk of chunks) {
    try {
      decodeAll(decoder, chunk);
      expect(decoder.bufferedBytes).toBeLessThan(MAX_PACKET_BYTES);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (refusal !== undefined) expect(error).toBe(refusal);
      refusal = error;
    }
  }
}

function mutated(bytes: Uint8Array, changes: readonly Change[]): Uint8Array {
  const found = [...bytes];
  for (const { at, kind, value } of changes) {
    const index = at % Math.max(found.length, 1);
    if (kind === "set") found[index] = value;
    else if (kind === "insert") found.splice(index, 0, value);
    else if (kind === "remove") found.splice(index, 1);
    else found.length = Math.min(found.length, index + 1);
  }
  return Uint8Array.from(found);
}

interface Change {
  readonly at: number;
  readonly kind: "set" | "insert" | "remove" | "cut";
  readonly value: number;
}

const changes = fc.array(
  fc.record({
    at: fc.nat(400),
    kind: fc.constantFrom("set" as const, "insert" as const, "remove" as const, "cut" as const),
    value: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
  }),
  { minLength: 1, maxLength: 3 },
);

describe("whatever comes, the decoder gives packets or a ProtocolError", () => {
  it("from random bytes", () => {
    fc.assert(fc.property(peers, fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 5 }), survive), {
      numRuns: 10_000,
    });
  });

  it("from random bytes behind a plausible fixed header", () => {
    const framed = fc
      .tuple(fc.constantFrom(...plausibleHeaders), fc.uint8Array({ minLength: 0, maxLength: 120 }))
      .map(([header, body]) => Uint8Array.from([header, body.length, ...body]));
    fc.assert(fc.property(peers, fc.array(framed, { minLength: 1, maxLength: 3 }), survive), {
      numRuns: 10_000,
    });
  });

  it("from packets that were changed", () => {
    const versioned = peers.chain((peer) =>
      fc.tuple(fc.constant(peer), packets(peer.version, peer.from), changes),
    );
    fc.assert(
      fc.property(versioned, ([peer, packet, how]) => {
        const bytes = mutated(encodePacket(packet, peer.version), how);
        survive(peer, [bytes]);
        survive(peer, [Buffer.concat([bytes, bytes])]);
      }),
      { numRuns: 10_000 },
    );
  });
});

const plausibleHeaders = [
  0x10, 0x20, 0x30, 0x31, 0x32, 0x3b, 0x34, 0x40, 0x50, 0x62, 0x70, 0x82, 0x90, 0xa2, 0xb0, 0xe0, 0xf0,
];

describe("what the decoder lets through", () => {
  it("can be encoded, and then decodes to the same packet", () => {
    const versioned = peers.chain((peer) =>
      fc.tuple(fc.constant(peer), packets(peer.version, peer.from), changes),
    );
    fc.assert(
      fc.property(versioned, ([peer, packet, how]) => {
        const found = acceptedFrom(peer, mutated(encodePacket(packet, peer.version), how));
        for (const one of found) {
          expect(decodeAll(decoderOf(peer), encodePacket(one, peer.version))).toEqual([one]);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});

function acceptedFrom(peer: Peer, bytes: Uint8Array): ReturnType<typeof decodeAll> {
  try {
    return decodeAll(decoderOf(peer), bytes).filter((packet) => packet.type !== "connect");
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError);
    return [];
  }
}
