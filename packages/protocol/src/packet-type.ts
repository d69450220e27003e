import type { Packet } from "./packet.ts";

/** The control packet types: the upper half of a packet's first byte (MQTT 5.0 §2.1.2). */
export const PacketType = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
} as const;

/** True for the types whose lower half of the first byte is 0010 [MQTT-3.6.1-1], [MQTT-3.8.1-1], [MQTT-3.10.1-1]. */
export function hasReservedFlag(type: number): boolean {
  return type === PacketType.pubrel || type === PacketType.subscribe || type === PacketType.unsubscribe;
}

/** The first byte of every packet type but PUBLISH. */
export function headerOf(type: number): number {
  return (type << 4) | (hasReservedFlag(type) ? 2 : 0);
}

const BOTH = typeBits("publish", "puback", "pubrec", "pubrel", "pubcomp", "disconnect", "auth");
const FROM_CLIENT = BOTH | typeBits("connect", "subscribe", "unsubscribe", "pingreq");
const FROM_SERVER = BOTH | typeBits("connack", "suback", "unsuback", "pingresp");

function typeBits(...types: readonly Packet["type"][]): number {
  return types.reduce((bits, type) => bits | (1 << PacketType[type]), 0);
}

/** The types that one side may send, one bit each. */
export function sendableTypes(from: "client" | "server"): number {
  return from === "client" ? FROM_CLIENT : FROM_SERVER;
}
