import { describe, expect, it } from "vitest";
import { encodePacket, PacketBoundError, PacketDecoder } from "./index.ts";
import type { Packet, PacketDecoderOptions, UserProperties } from "./index.ts";

const bounds = { maxConnectBytes: 200, maxUserProperties: 3, maxTopicFilters: 3 };

function pairs(count: number): UserProperties {
  return Array.from({ length: count }, () => ["", ""] as const);
}

function subscribe(count: number, userProperties: UserProperties = []): Packet {
  const request = {
    topicFilter: "a",
    qos: 0,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
  } as const;
  const subscriptions = Array.from({ length: count }, () => request);
  return { type: "subscribe", packetId: 1, subscriptions, properties: { userProperties } };
}

function unsubscribe(count: number): Packet {
  return { type: "unsubscribe", packetId: 1, topicFilters: Array.from({ length: count }, () => "a") };
}

function publish(userProperties: UserProperties, payload = ""): Packet {
  const fields = { qos: 0, retain: false, dup: false, packetId: 0 } as const;
  return {
    type: "publish",
    topic: "a",
    payload: Buffer.from(payload),
    properties: { userProperties },
    ...fields,
  };
}

function connect(clientId: string, userProperties: UserProperties = []): Packet {
  const fields = { cleanStart: true, keepAlive: 0, clientId, properties: {} } as const;
  const properties = { userProperties };
  const will = { topic: "w", payload: Buffer.alloc(0), qos: 0, retain: false, properties } as const;
  return { type: "connect", protocolVersion: 5, ...fields, will };
}

/** What becomes of the packet: itself, or the error that refuses it. */
function decode(
  packet: Packet,
  options: Partial<PacketDecoderOptions>,
): Packet | PacketBoundError | undefined {
  const decoder = new PacketDecoder({ from: "client", maxPacketBytes: 10_000, ...bounds, ...options });
  decoder.push(encodePacket(packet, 5));
  try {
    return decoder.next();
  } catch (error) {
    return error as PacketBoundError;
  }
}

describe("a decoder with bounds", () => {
  it.each([
    ["user properties", publish(pairs(3)), publish(pairs(4)), "maxUserProperties", 0x97],
    [
      "user properties of SUBSCRIBE",
      subscribe(1, pairs(3)),
      subscribe(1, pairs(4)),
      "maxUserProperties",
      0x97,
    ],
    ["topic filters of SUBSCRIBE", subscribe(3), subscribe(4), "maxTopicFilters", 0x97],
    ["topic filters of UNSUBSCRIBE", unsubscribe(3), unsubscribe(4), "maxTopicFilters", 0x97],
  ] as const)("takes the last of its %s, and refuses one more", (_what, fits, exceeds, bound, reasonCode) => {
    expect(decode(fits, { protocolVersion: 5 })).toMatchObject({ type: fits.type });
    const refusal = decode(exceeds, { protocolVersion: 5 });
    expect(refusal).toBeInstanceOf(PacketBoundError);
    expect(refusal).toMatchObject({ bound, reasonCode, isSilent: false });
  });

  it("refuses too many user properties of a will with 0x97, which CONNACK can tell", () => {
    expect(decode(connect("c", pairs(3)), {})).toMatchObject({ type: "connect" });
    expect(decode(connect("c", pairs(4)), {})).toMatchObject({ reasonCode: 0x97 });
  });

  it("refuses a CONNECT above its own bound, at its header and without a word: its version is not known yet", () => {
    expect(decode(connect("c".repeat(150)), {})).toMatchObject({ type: "connect" });
    const refusal = decode(connect("c".repeat(200)), {});
    expect(refusal).toMatchObject({ reasonCode: 0x95, isSilent: true, cause: { bound: "maxConnectBytes" } });
    const decoder = new PacketDecoder({ from: "client", maxPacketBytes: 10_000, ...bounds });
    decoder.push(Uint8Array.of(0x10, 0xc9, 0x01));
    expect(() => decoder.next()).toThrow("a CONNECT of 204 bytes is too large");
  });

  it("takes other packets above the bound of CONNECT", () => {
    const packet = publish([], "x".repeat(1_000));
    expect(decode(packet, { protocolVersion: 5 })).toMatchObject({ type: "publish" });
  });
});

it("a decoder without bounds takes any number", () => {
  const decoder = new PacketDecoder({ from: "client", maxPacketBytes: 1_000_000, protocolVersion: 5 });
  decoder.push(encodePacket(publish(pairs(20_000)), 5));
  expect(decoder.next()).toMatchObject({ type: "publish" });
});
