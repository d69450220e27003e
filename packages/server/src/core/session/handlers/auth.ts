import type { AuthPacket, PublishPacket } from "@weir/protocol";
import { ReasonCode } from "@weir/protocol";
import type { Settle } from "../ack-queue.ts";
import { renew } from "../renewal.ts";
import type { ServedConnection } from "../served-connection.ts";

/** AUTH: a client that connected with a method shows another credential (MQTT 5.0 §4.12.1). */
export function handleAuth(connection: ServedConnection, packet: AuthPacket): void {
  const { authenticationMethod: method } = connection;
  if (method === undefined) {
    connection.end(ReasonCode.protocolError, "AUTH without an authentication method"); // [MQTT-4.12.0-7]
  } else if (packet.properties?.authenticationMethod !== method) {
    connection.end(ReasonCode.protocolError, "AUTH with another authentication method"); // [MQTT-4.12.0-5]
  } else if (packet.reasonCode !== ReasonCode.reAuthenticate || connection.isRenewing) {
    connection.end(ReasonCode.protocolError, "AUTH that continues nothing");
  } else {
    void reauthenticate(connection, method, packet.properties.authenticationData);
  }
}

async function reauthenticate(
  connection: ServedConnection,
  method: string,
  credential: Uint8Array | undefined,
): Promise<void> {
  const reasonCode = await renew(connection, credential ?? new Uint8Array());
  if (reasonCode === ReasonCode.success)
    connection.link.send({ type: "auth", reasonCode, properties: { authenticationMethod: method } });
  else connection.end(reasonCode); // [MQTT-4.12.1-2]
}

/** PUBLISH to `$client/auth`: the payload is a credential. It goes nowhere, and is not logged. */
export async function handleClientAuth(connection: ServedConnection, packet: PublishPacket): Promise<void> {
  const { packetId } = packet;
  if (packet.qos === 0) {
    await renew(connection, packet.payload);
    return;
  }
  const type = packet.qos === 1 ? "puback" : "pubrec";
  const settle: Settle = connection.acks.reserve(type, packetId);
  const reasonCode = await renew(connection, packet.payload);
  if (!connection.isOpen) return;
  // Before 5.0 an acknowledgement cannot refuse.
  const told = connection.protocolVersion === 5 ? reasonCode : ReasonCode.success;
  if (packet.qos === 2 && told === ReasonCode.success) connection.session.incoming.own(packetId);
  settle(told);
}
