import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { generateWithOracle, inOracleTerms, parseWithOracle } from "../testing/oracle.ts";
import { packets } from "../testing/packet-arbitraries.ts";
import { decodeAll, decoderOf, packetOf, refusalOf } from "../testing/wire.ts";
import { encodePacket, ProtocolError } from "./index.ts";
import type { Packet, ProtocolVersion } from "./index.ts";

const versions: readonly ProtocolVersion[] = [3, 4, 5];
const sides = ["client", "server"] as const;

describe.each(versions)("MQTT level %i beside mqtt-packet", (version) => {
  describe.each(sides)("from a %s", (from) => {
    it("is read by mqtt-packet as it was meant", () => {
      fc.assert(
        fc.property(comparable(version, from), (packet) => {
          const [parsed, ...others] = parseWithOracle(encodePacket(packet, version), version);
          expect(others).toEqual([]);
          expect(withoutPrototypes(parsed)).toMatchObject(inOracleTerms(packet, version));
        }),
        { numRuns: 3_000 },
      );
    });

    it("reads what mqtt-packet writes", () => {
      fc.assert(
        fc.property(comparable(version, from), (packet) => {
          const bytes = generateWithOracle(packet, version);
          expect(decodeAll(decoderOf({ from, version }), bytes)).toEqual([packet]);
        }),
        { numRuns: 3_000 },
      );
    });
  });
});

/**
 * Packets that mqtt-packet can hold: it keeps user properties in an object, which has no order and no equal names,
 * and writes neither an empty client id beside Clean Start 0 nor a password without a user name.
 */
function comparable(version: ProtocolVersion, from: "client" | "server"): fc.Arbitrary<Packet> {
  return packets(version, from).map((packet) => withPlainNames(withIdentity(packet)) as Packet);
}

function withIdentity(packet: Packet): Packet {
  if (packet.type !== "connect") return packet;
  const user = packet.password !== undefined && packet.username === undefined ? { username: "u" } : {};
  return { ...packet, clientId: `c${packet.clientId}`, ...user };
}

function withPlainNames(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(withPlainNames);
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      name === "userProperties" ? renamed(field as [string, string][]) : withPlainNames(field),
    ]),
  );
}

function renamed(pairs: readonly [string, string][]): [string, string][] {
  return pairs.map(([name, value], index) => [`p${index}${name}`, value]);
}

function withoutPrototypes(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(withoutPrototypes);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, withoutPrototypes(field)]));
}

describe("where mqtt-packet is laxer, this codec is not", () => {
  const accepted: readonly (readonly [string, Uint8Array])[] = [
    ["a topic name with a wildcard [MQTT-3.3.2-2]", packetOf(0x30, "a/#", 0)],
    ["a control character in a topic name [MQTT-1.5.4-2]", packetOf(0x30, "a\u0001", 0)],
    ["a surrogate in a topic name [MQTT-1.5.4-1]", packetOf(0x30, 0, 3, 0xed, 0xa0, 0x80, 0)],
    ["a DUP flag at QoS 0 [MQTT-3.3.1-2]", packetOf(0x38, "a", 0)],
    ["a topic alias of 0 [MQTT-3.3.2-8]", packetOf(0x30, "a", 3, 0x23, 0, 0)],
    ["a misplaced wildcard in a filter [MQTT-4.7.1-1]", packetOf(0x82, 0, 1, 0, "a/#/b", 0)],
    ["an empty topic name without an alias [MQTT-4.7.3-1]", packetOf(0x30, "", 0)],
    ["a packet id of 0 [MQTT-2.2.1-3]", packetOf(0x32, "a", 0, 0, 0)],
  ];

  it.each(accepted)("%s", (_, bytes) => {
    expect(parseWithOracle(bytes, 5)).toHaveLength(1);
    expect(refusalOf(decoderOf({ version: 5 }), bytes)).toBeInstanceOf(ProtocolError);
  });
});
