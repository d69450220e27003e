import { malformed, violation } from "../protocol-error.ts";
import { PropertySet, readProperties, writeProperties } from "../properties.ts";
import { ReasonCode } from "../reason-code.ts";
import { connackCodes, readReasonCode } from "../listed-reason-codes.ts";
import type { ConnackPacket, ProtocolVersion } from "../packet.ts";
import type { Reader } from "../reader.ts";
import type { Writer } from "../writer.ts";

const connackSet = new PropertySet(
  "sessionExpiryInterval",
  "receiveMaximum",
  "maximumQos",
  "retainAvailable",
  "maximumPacketSize",
  "assignedClientIdentifier",
  "topicAliasMaximum",
  "reasonString",
  "userProperties",
  "wildcardSubscriptionAvailable",
  "subscriptionIdentifiersAvailable",
  "sharedSubscriptionAvailable",
  "serverKeepAlive",
  "responseInformation",
  "serverReference",
  "authenticationMethod",
  "authenticationData",
);

const LAST_RETURN_CODE = 5;

export function readConnack(reader: Reader, version: ProtocolVersion): ConnackPacket {
  const flags = reader.u8();
  // MQTT 3.1 does not use this byte
  if (flags > 1 && version !== 3) throw malformed("CONNACK has reserved flags set"); // [MQTT-3.2.2-1]
  const sessionPresent = flags === 1 && version !== 3;
  const reasonCode = version === 5 ? readReasonCode(reader, connackCodes) : readReturnCode(reader);
  if (sessionPresent && reasonCode !== 0) throw violation("a refusing CONNACK has a session"); // [MQTT-3.2.2-6]
  const properties = version === 5 ? readProperties(reader, connackSet) : undefined;
  const packet = { type: "connack", sessionPresent, reasonCode } as const;
  return properties === undefined ? packet : { ...packet, properties };
}

function readReturnCode(reader: Reader): number {
  const code = reader.u8();
  if (code > LAST_RETURN_CODE) throw violation("CONNACK has a return code that 3.1.1 does not know");
  return code;
}

export function writeConnack(writer: Writer, packet: ConnackPacket, version: ProtocolVersion): void {
  writer.u8(packet.sessionPresent && version !== 3 ? 1 : 0);
  writer.u8(version === 5 ? packet.reasonCode : returnCodeOf(packet.reasonCode));
  if (version === 5) writeProperties(writer, packet.properties, connackSet);
}

/**
 * The CONNACK return code by which MQTT 3.1 and 3.1.1 say what the 5.0 reason code says; 0 to 5 stay as they are.
 * What has no counterpart is 3, server unavailable.
 */
export function returnCodeOf(reasonCode: number): number {
  switch (reasonCode) {
    case ReasonCode.unsupportedProtocolVersion:
      return 1;
    case ReasonCode.clientIdentifierNotValid:
      return 2;
    case ReasonCode.badUserNameOrPassword:
    case ReasonCode.badAuthenticationMethod:
      return 4;
    case ReasonCode.notAuthorized:
    case ReasonCode.banned:
      return 5;
    default:
      return reasonCode <= LAST_RETURN_CODE ? reasonCode : 3;
  }
}
