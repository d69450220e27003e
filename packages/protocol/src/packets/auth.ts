import { authCodes, readReasonCode } from "../listed-reason-codes.ts";
import { violation } from "../protocol-error.ts";
import { hasNone, PropertySet, readProperties, writeProperties } from "../properties.ts";
import { ReasonCode } from "../reason-code.ts";
import type { AuthPacket } from "../packet.ts";
import type { Reader } from "../reader.ts";
import type { Writer } from "../writer.ts";

const authSet = new PropertySet(
  "authenticationMethod",
  "authenticationData",
  "reasonString",
  "userProperties",
);

/** An AUTH without anything is a server's success (MQTT 5.0 §3.15.2.1); every other one names its method. */
export function readAuth(reader: Reader, from: "client" | "server"): AuthPacket {
  if (reader.remaining === 0 && from === "server") return { type: "auth", reasonCode: ReasonCode.success };
  if (reader.remaining === 0) throw violation("a client's AUTH has no reason code");
  const reasonCode = readReasonCode(reader, authCodes[from]);
  const properties = reader.remaining === 0 ? undefined : readProperties(reader, authSet);
  if (properties?.authenticationMethod === undefined) throw violation("AUTH has no authentication method");
  return { type: "auth", reasonCode, properties };
}

export function writeAuth(writer: Writer, packet: AuthPacket): void {
  const isBare = hasNone(packet.properties, authSet, writer.text);
  if (isBare && packet.reasonCode === 0) return;
  writer.u8(packet.reasonCode);
  writeProperties(writer, packet.properties, authSet);
}
