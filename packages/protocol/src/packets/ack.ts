import { readReasonCode, receiptCodes, releaseCodes } from "../listed-reason-codes.ts";
import { headerOf, PacketType } from "../packet-type.ts";
import { hasNone, PropertySet, readProperties, writeProperties } from "../properties.ts";
import { ReasonCode } from "../reason-code.ts";
import { readPacketId } from "./packet-id.ts";
import type { AckPacket, ProtocolVersion } from "../packet.ts";
import type { Reader } from "../reader.ts";
import type { Writer } from "../writer.ts";

/** The properties of every packet that only says how something went. */
export const reasonSet: PropertySet = new PropertySet("reasonString", "userProperties");

const MAX_ACK_BYTES = 5;

/** Reads PUBACK, PUBREC, PUBREL or PUBCOMP; a reason code that is left out is 0 (MQTT 5.0 §3.4.2.1). */
export function readAck(reader: Reader, type: AckPacket["type"], version: ProtocolVersion): AckPacket {
  const packetId = readPacketId(reader);
  if (version !== 5 || reader.remaining === 0) return { type, packetId, reasonCode: ReasonCode.success };
  const listed = type === "puback" || type === "pubrec" ? receiptCodes : releaseCodes;
  const reasonCode = readReasonCode(reader, listed);
  const properties = reader.remaining === 0 ? undefined : readProperties(reader, reasonSet);
  return properties === undefined
    ? { type, packetId, reasonCode }
    : { type, packetId, reasonCode, properties };
}

export function writeAckPacket(writer: Writer, packet: AckPacket, version: ProtocolVersion): void {
  writer.u16(packet.packetId);
  if (version !== 5) return;
  const isBare = hasNone(packet.properties, reasonSet, writer.text);
  if (isBare && packet.reasonCode === 0) return;
  writer.u8(packet.reasonCode);
  if (!isBare) writeProperties(writer, packet.properties, reasonSet);
}

/** Bytes that {@link writeAck} writes: 4, or 5 where MQTT 5 has a reason to tell. */
export function ackSize(version: ProtocolVersion, reasonCode: ReasonCode = ReasonCode.success): number {
  return version === 5 && reasonCode !== 0 ? MAX_ACK_BYTES : MAX_ACK_BYTES - 1;
}

/**
 * Writes an acknowledgement without properties at `offset` and gives the offset behind it. The caller has made room
 * for {@link ackSize} bytes.
 */
export function writeAck(
  target: Uint8Array,
  offset: number,
  type: AckPacket["type"],
  packetId: number,
  version: ProtocolVersion,
  reasonCode: ReasonCode = ReasonCode.success,
): number {
  const size = ackSize(version, reasonCode);
  target[offset] = headerOf(PacketType[type]);
  target[offset + 1] = size - 2;
  target[offset + 2] = packetId >>> 8;
  target[offset + 3] = packetId;
  if (size === MAX_ACK_BYTES) target[offset + 4] = reasonCode;
  return offset + size;
}
