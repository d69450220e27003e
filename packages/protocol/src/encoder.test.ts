import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packets } from "../testing/packet-arbitraries.ts";
import { bytesOf, decodeAll, decoderOf, packetOf, propertiesOf, u16 } from "../testing/wire.ts";
import {
  ackSize,
  copyPublish,
  encodePacket,
  encodeText,
  headerOfPublish,
  publishSize,
  pureTextCodec,
  ReasonCode,
  returnCodeOf,
  writeAck,
  writePublish,
} from "./index.ts";
import type { AckPacket, Packet, ProtocolVersion, PublishPacket } from "./index.ts";

const versions: readonly ProtocolVersion[] = [3, 4, 5];
const publishes5 = packets(5, "server").filter((packet) => packet.type === "publish");

function publishOf(fields: Partial<PublishPacket> = {}): PublishPacket {
  const payload = Buffer.from("payload");
  return {
    type: "publish",
    topic: "topic",
    payload,
    qos: 0,
    retain: false,
    dup: false,
    packetId: 0,
    ...fields,
  };
}

describe("encodePacket() writes the shortest form", () => {
  const ID = u16(7);
  const properties = { reasonString: "r" };
  const cases: readonly (readonly [string, Packet, ProtocolVersion, Uint8Array])[] = [
    ["an ack without a reason", { type: "puback", packetId: 7, reasonCode: 0 }, 5, packetOf(0x40, ID)],
    ["an ack with a reason", { type: "puback", packetId: 7, reasonCode: 0x10 }, 5, packetOf(0x40, ID, 0x10)],
    [
      "an ack with properties",
      { type: "pubrel", packetId: 7, reasonCode: 0, properties },
      5,
      packetOf(0x62, ID, 0, propertiesOf(0x1f, "r")),
    ],
    ["an ack before 5", { type: "pubrec", packetId: 7, reasonCode: 0x87, properties }, 4, packetOf(0x50, ID)],
    ["a DISCONNECT without a reason", { type: "disconnect", reasonCode: 0 }, 5, bytesOf(0xe0, 0)],
    ["a DISCONNECT with a reason", { type: "disconnect", reasonCode: 0x81 }, 5, bytesOf(0xe0, 1, 0x81)],
    ["a DISCONNECT before 5", { type: "disconnect", reasonCode: 0x81 }, 4, bytesOf(0xe0, 0)],
    [
      "a CONNACK [MQTT-2.2.2-1]",
      { type: "connack", sessionPresent: true, reasonCode: 0 },
      5,
      bytesOf(0x20, 3, 1, 0, 0),
    ],
    [
      "a CONNACK before 5",
      { type: "connack", sessionPresent: true, reasonCode: 0 },
      4,
      bytesOf(0x20, 2, 1, 0),
    ],
    [
      "a refusal before 5",
      { type: "connack", sessionPresent: false, reasonCode: 0x87 },
      4,
      bytesOf(0x20, 2, 0, 5),
    ],
    [
      "a SUBACK before 5",
      { type: "suback", packetId: 7, reasonCodes: [1, 0x87] },
      4,
      packetOf(0x90, ID, 1, 0x80),
    ],
    [
      "an UNSUBACK before 5",
      { type: "unsuback", packetId: 7, reasonCodes: [0, 0x11] },
      4,
      packetOf(0xb0, ID),
    ],
    ["an AUTH that says success", { type: "auth", reasonCode: 0 }, 5, bytesOf(0xf0, 0)],
  ];

  it.each(cases)("of %s", (_, packet, version, bytes) => {
    expect(encodePacket(packet, version)).toEqual(bytes);
  });
});

describe("encodePacket()", () => {
  it("refuses what MQTT cannot hold", () => {
    expect(() => encodePacket(publishOf({ topic: "x".repeat(65_536) }), 4)).toThrow(RangeError);
    expect(() => encodePacket(publishOf({ payload: new Uint8Array(268_435_456) }), 4)).toThrow(RangeError);
    const reasonString = "x".repeat(65_536);
    expect(() =>
      encodePacket({ type: "disconnect", reasonCode: 0x80, properties: { reasonString } }, 5),
    ).toThrow(RangeError);
    expect(() => encodePacket({ type: "auth", reasonCode: 0x18 }, 4)).toThrow(RangeError);
  });

  it.each([
    [0x7f, 2],
    [0x80, 3],
    [0x3fff, 3],
    [0x4000, 4],
    [0x1f_ffff, 4],
    [0x20_0000, 5],
  ])("takes %i bytes with a header of %i", (remaining, headerBytes) => {
    const packet = publishOf({ payload: new Uint8Array(remaining - 7) });
    const bytes = encodePacket(packet, 4);
    expect(bytes).toHaveLength(remaining + headerBytes);
    const decoder = decoderOf({ version: 4, maxPacketBytes: bytes.length });
    expect(Buffer.compare((decodeAll(decoder, bytes)[0] as PublishPacket).payload, packet.payload)).toBe(0);
  });
});

describe("writePublish()", () => {
  it("writes publishSize() bytes, the same as encodePacket(), with the topic's bytes given or not", () => {
    fc.assert(
      fc.property(publishes5, fc.constantFrom(...versions), fc.boolean(), (packet, version, isTopicGiven) => {
        const expected = encodePacket(packet, version);
        const topic = isTopicGiven ? encodeText(packet.topic) : undefined;
        const size = publishSize(packet, version, pureTextCodec, topic);
        const target = new Uint8Array(3 + size);
        expect(writePublish(target, 3, packet, version, pureTextCodec, topic)).toBe(3 + size);
        expect(target.subarray(3)).toEqual(expected);
      }),
      { numRuns: 1_000 },
    );
  });

  it("writes nothing where there is no room", () => {
    fc.assert(
      fc.property(publishes5, (packet) => {
        const target = new Uint8Array(publishSize(packet, 5) - 1);
        expect(() => writePublish(target, 0, packet, 5)).toThrow(RangeError);
        expect(target.every((byte) => byte === 0)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe("copyPublish()", () => {
  it("is the frame with another packet id and first byte", () => {
    for (const payload of [Buffer.alloc(10), Buffer.alloc(1_000), Buffer.alloc(100_000)]) {
      const packet = publishOf({ qos: 1, packetId: 3, payload });
      const frame = encodePacket(packet, 5);
      const target = new Uint8Array(frame.length + 2);
      const end = copyPublish(target, 2, frame, headerOfPublish(1, false, true), 0xabcd);
      expect(end).toBe(target.length);
      const wanted = encodePacket({ ...packet, dup: true, packetId: 0xabcd }, 5);
      expect(Buffer.compare(target.subarray(2), wanted)).toBe(0);
    }
  });
});

describe("writeAck()", () => {
  const types: readonly AckPacket["type"][] = ["puback", "pubrec", "pubrel", "pubcomp"];

  it("writes ackSize() bytes, the same as encodePacket()", () => {
    for (const version of versions) {
      for (const type of types) {
        for (const reasonCode of [ReasonCode.success, ReasonCode.packetIdentifierNotFound]) {
          const target = new Uint8Array(ackSize(version, reasonCode));
          expect(writeAck(target, 0, type, 0x1234, version, reasonCode)).toBe(target.length);
          expect(target).toEqual(encodePacket({ type, packetId: 0x1234, reasonCode }, version));
        }
      }
    }
  });
});

describe("returnCodeOf()", () => {
  it.each([
    [ReasonCode.success, 0],
    [5, 5],
    [ReasonCode.unsupportedProtocolVersion, 1],
    [ReasonCode.clientIdentifierNotValid, 2],
    [ReasonCode.serverUnavailable, 3],
    [ReasonCode.quotaExceeded, 3],
    [ReasonCode.badUserNameOrPassword, 4],
    [ReasonCode.notAuthorized, 5],
  ])("says reason code %i of 5.0 as %i in 3.1.1", (reasonCode, returnCode) => {
    expect(returnCodeOf(reasonCode)).toBe(returnCode);
  });
});
