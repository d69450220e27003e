import { type PublishPacket, ReasonCode } from "@weir/protocol";
import type { PublishMeter } from "../publish-meter.ts";
import type { ServedConnection } from "../served-connection.ts";
import { acknowledge } from "./publish-answer.ts";

/**
 * Whether a PUBLISH may go on, by the rate of its token, group and tenant; else it was answered as `limits.overRate` says.
 * With back-pressure it always may, and the connection is not read until the next one may come.
 */
export function isWithinRate(
  connection: ServedConnection,
  meter: PublishMeter,
  packet: PublishPacket,
): boolean {
  const payloadBytes = packet.payload.length;
  if (holdsUp(connection, packet)) {
    const waitMs = meter.charge(payloadBytes);
    if (waitMs > 0) connection.holdUp(waitMs);
    return true;
  }
  if (meter.take(payloadBytes) === 0) return true;
  if (connection.services.limits.overRate === "disconnect") connection.end(ReasonCode.messageRateTooHigh);
  else if (packet.qos > 0) acknowledge(connection, packet, ReasonCode.quotaExceeded, "too much a second");
  return false;
}

/** Before 5.0 an acknowledgement cannot refuse, and none may say that something is durable which is not. */
function holdsUp({ services, protocolVersion }: ServedConnection, { qos }: PublishPacket): boolean {
  const { overRate } = services.limits;
  return overRate === "back-pressure" || (overRate === "refuse" && protocolVersion !== 5 && qos > 0);
}
