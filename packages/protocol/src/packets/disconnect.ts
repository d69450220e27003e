import { disconnectCodes, readReasonCode } from "../listed-reason-codes.ts";
import { violation } from "../protocol-error.ts";
import { hasNone, PropertySet, readProperties, writeProperties } from "../properties.ts";
import { ReasonCode } from "../reason-code.ts";
import type { DisconnectPacket, ProtocolVersion } from "../packet.ts";
import type { Reader } from "../reader.ts";
import type { Writer } from "../writer.ts";

const disconnectSet = new PropertySet(
  "sessionExpiryInterval",
  "reasonString",
  "userProperties",
  "serverReference",
);

/** A reason code that is left out is 0 (MQTT 5.0 §3.14.2.1), as are properties behind it. */
export function readDisconnect(
  reader: Reader,
  version: ProtocolVersion,
  from: "client" | "server",
): DisconnectPacket {
  if (version !== 5 || reader.remaining === 0) return { type: "disconnect", reasonCode: ReasonCode.success };
  const reasonCode = readReasonCode(reader, disconnectCodes[from]);
  const properties = reader.remaining === 0 ? undefined : readProperties(reader, disconnectSet);
  if (properties === undefined) return { type: "disconnect", reasonCode };
  if (from === "server" && properties.sessionExpiryInterval !== undefined) {
    throw violation("a server's DISCONNECT has a session expiry interval"); // [MQTT-3.14.2-2]
  }
  return { type: "disconnect", reasonCode, properties };
}

export function writeDisconnect(writer: Writer, packet: DisconnectPacket, version: ProtocolVersion): void {
  if (version !== 5) return;
  const isBare = hasNone(packet.properties, disconnectSet, writer.text);
  if (isBare && packet.reasonCode === 0) return;
  writer.u8(packet.reasonCode);
  if (!isBare) writeProperties(writer, packet.properties, disconnectSet);
}
