import type { PublishPacket, ReasonCode } from "@weir/protocol";
import type { ServedConnection } from "../served-connection.ts";

/** PUBACK or PUBREC at once, as the QoS asks. Not at QoS 0. */
export function acknowledge(
  connection: ServedConnection,
  packet: PublishPacket,
  reasonCode: ReasonCode,
  reasonString?: string,
): void {
  const told = connection.sendsProblemInformation ? reasonString : undefined;
  connection.acks.add(packet.qos === 1 ? "puback" : "pubrec", packet.packetId, reasonCode, told);
}
