import type { DisconnectPacket } from "@weir/protocol";
import { ReasonCode } from "@weir/protocol";
import { boundedExpiryS } from "../session-expiry.ts";
import type { ServedConnection } from "../served-connection.ts";

/** DISCONNECT: with 0x00 the will is dropped [MQTT-3.14.4-3]; any other reason lets it take its course. */
export function handleDisconnect(connection: ServedConnection, packet: DisconnectPacket): void {
  const expiryS = packet.properties?.sessionExpiryInterval;
  if (expiryS !== undefined && expiryS > 0 && connection.connectExpiryS === 0) {
    connection.end(ReasonCode.protocolError, "a session expiry interval in DISCONNECT after 0 in CONNECT");
    return;
  }
  const { session, services } = connection;
  if (expiryS !== undefined) session.expiryS = boundedExpiryS(expiryS, services.limits, session.principal);
  connection.close(packet.reasonCode === ReasonCode.success ? "disconnected" : "lost");
}
