import type { AckPacket } from "@weir/protocol";
import { ReasonCode } from "@weir/protocol";
import type { ServedConnection } from "../served-connection.ts";

export function handlePuback(connection: ServedConnection, packet: AckPacket): void {
  const { session } = connection;
  if (session.outgoing.puback(packet.packetId)) pumpGroups(connection);
  else connection.end(ReasonCode.protocolError, "PUBACK for a PUBLISH of QoS 2");
}

export function handlePubrec(connection: ServedConnection, packet: AckPacket): void {
  const outcome = connection.session.outgoing.pubrec(packet.packetId, packet.reasonCode);
  if (outcome === "mismatch") connection.end(ReasonCode.protocolError, "PUBREC for a PUBLISH of QoS 1");
  else if (outcome === "unknown")
    connection.link.ack("pubrel", packet.packetId, ReasonCode.packetIdentifierNotFound);
  else if (packet.reasonCode >= 0x80) pumpGroups(connection);
}

export function handlePubcomp(connection: ServedConnection, packet: AckPacket): void {
  if (connection.session.outgoing.pubcomp(packet.packetId)) pumpGroups(connection);
  else connection.end(ReasonCode.protocolError, "PUBCOMP before PUBREL");
}

/** PUBREL: the id is free, and that is durable, before PUBCOMP says so [MQTT-4.3.3-11] (semantics.md §2.3). */
export function handlePubrel(connection: ServedConnection, packet: AckPacket): void {
  const { packetId } = packet;
  const { session } = connection;
  const entry = session.incoming.get(packetId);
  if (!entry) {
    connection.link.ack("pubcomp", packetId, unknownIdCode(connection));
    return;
  }
  if (entry.state !== "owned") {
    connection.end(ReasonCode.protocolError, "PUBREL before PUBREC");
    return;
  }
  entry.isReleased = true;
  const complete = (): void => {
    if (session.incoming.get(packetId) === entry) session.incoming.delete(packetId);
    connection.endInbound(packetId);
    connection.link.ack("pubcomp", packetId, ReasonCode.success);
  };
  if (entry.logId !== undefined && session.record) session.record.saveThen(["progress"], complete);
  else complete();
}

/** After a reconnect a PUBREL whose PUBCOMP was lost comes again: no error then, else a mismatch (MQTT 5.0 §3.7.2.1). */
function unknownIdCode({ isResumed }: ServedConnection): ReasonCode {
  return isResumed ? ReasonCode.success : ReasonCode.packetIdentifierNotFound;
}

function pumpGroups(connection: ServedConnection): void {
  for (const group of connection.session.subscriptions.groups) group.pump();
}
