import { readReasonCode, unsubackCodes } from "../listed-reason-codes.ts";
import { violation } from "../protocol-error.ts";
import { readProperties, writeProperties } from "../properties.ts";
import { reasonSet } from "./ack.ts";
import { readPacketId } from "./packet-id.ts";
import type { ProtocolVersion, UnsubackPacket } from "../packet.ts";
import type { Reader } from "../reader.ts";
import type { Writer } from "../writer.ts";

export function readUnsuback(reader: Reader, version: ProtocolVersion): UnsubackPacket {
  const packetId = readPacketId(reader);
  if (version !== 5) return { type: "unsuback", packetId, reasonCodes: [] };
  const properties = readProperties(reader, reasonSet);
  if (reader.remaining === 0) throw violation("UNSUBACK answers no topic filter");
  const reasonCodes: number[] = [];
  while (reader.remaining > 0) reasonCodes.push(readReasonCode(reader, unsubackCodes));
  const packet = { type: "unsuback", packetId, reasonCodes } as const;
  return properties === undefined ? packet : { ...packet, properties };
}

export function writeUnsuback(writer: Writer, packet: UnsubackPacket, version: ProtocolVersion): void {
  writer.u16(packet.packetId);
  if (version !== 5) return;
  writeProperties(writer, packet.properties, reasonSet);
  for (const code of packet.reasonCodes) writer.u8(code);
}
