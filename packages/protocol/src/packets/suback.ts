import { readReasonCode, subackCodes } from "../listed-reason-codes.ts";
import { violation } from "../protocol-error.ts";
import { readProperties, writeProperties } from "../properties.ts";
import { reasonSet } from "./ack.ts";
import { readPacketId } from "./packet-id.ts";
import type { ProtocolVersion, SubackPacket } from "../packet.ts";
import type { Reader } from "../reader.ts";
import type { Writer } from "../writer.ts";

const FAILURE = 0x80;

export function readSuback(reader: Reader, version: ProtocolVersion): SubackPacket {
  const packetId = readPacketId(reader);
  const properties = version === 5 ? readProperties(reader, reasonSet) : undefined;
  if (reader.remaining === 0) throw violation("SUBACK answers no topic filter");
  const reasonCodes: number[] = [];
  while (reader.remaining > 0) reasonCodes.push(readCode(reader, version));
  const packet = { type: "suback", packetId, reasonCodes } as const;
  return properties === undefined ? packet : { ...packet, properties };
}

// 3.1.1 [MQTT-3.9.3-2] knows 0, 1, 2 and 0x80
function readCode(reader: Reader, version: ProtocolVersion): number {
  const code = readReasonCode(reader, subackCodes);
  if (version !== 5 && code > FAILURE) throw violation("SUBACK has a return code that 3.1.1 does not know");
  return code;
}

/** Every refusal is 0x80 before MQTT 5. */
export function writeSuback(writer: Writer, packet: SubackPacket, version: ProtocolVersion): void {
  writer.u16(packet.packetId);
  if (version === 5) writeProperties(writer, packet.properties, reasonSet);
  for (const code of packet.reasonCodes) writer.u8(version === 5 ? code : Math.min(code, FAILURE));
}
