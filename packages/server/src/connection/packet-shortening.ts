import { encodePacket } from "@weir/protocol";
import type { PingrespPacket, ProtocolVersion, PublishPacket, ServerPacket } from "@weir/protocol";
import { bufferTextCodec } from "./buffer-text-codec.ts";

/** Packets whose properties may say in words what their codes say. */
type ExplainedPacket = Exclude<ServerPacket, PublishPacket | PingrespPacket>;

/**
 * The packet in at most `maxBytes`: where it would be larger, without its reason string, then without its user
 * properties too [MQTT-3.2.2-19], [MQTT-3.4.2-2] and their kind. Undefined if it is too large even so: then it must
 * not be sent [MQTT-3.1.2-24].
 */
export function encodeWithin(
  maxBytes: number,
  packet: ServerPacket,
  version: ProtocolVersion,
): Uint8Array | undefined {
  const bytes = encodeLegal(packet, version);
  if (bytes !== undefined && bytes.length <= maxBytes) return bytes;
  const shorter = shorten(packet);
  return shorter && encodeWithin(maxBytes, shorter, version);
}

/** Undefined where MQTT has no such packet, as with a string of more than 65,535 bytes. */
function encodeLegal(packet: ServerPacket, version: ProtocolVersion): Uint8Array | undefined {
  try {
    return encodePacket(packet, version, bufferTextCodec);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Without the next thing that may be left out, or undefined if there is nothing more. */
function shorten(packet: ServerPacket): ServerPacket | undefined {
  if (packet.type === "publish" || packet.type === "pingresp" || packet.properties === undefined)
    return undefined;
  const { reasonString, ...rest } = packet.properties;
  if (reasonString !== undefined) return withProperties(packet, rest);
  const { userProperties, ...last } = packet.properties;
  return userProperties === undefined ? undefined : withProperties(packet, last);
}

function withProperties(packet: ExplainedPacket, properties: ExplainedPacket["properties"]): ServerPacket {
  return { ...packet, properties } as ServerPacket;
}
