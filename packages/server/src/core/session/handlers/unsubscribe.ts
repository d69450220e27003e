import type { UnsubscribePacket } from "@weir/protocol";
import { ReasonCode } from "@weir/protocol";
import type { ServedConnection } from "../served-connection.ts";

/** UNSUBSCRIBE: filters compared character by character [MQTT-3.10.4-1]; what is in flight is finished [MQTT-3.10.4-3]. */
export function handleUnsubscribe(connection: ServedConnection, packet: UnsubscribePacket): void {
  const { session, link } = connection;
  const reasonCodes = packet.topicFilters.map((filter) => {
    session.outgoing.retained.forget(filter);
    return session.subscriptions.unsubscribe(filter) ? ReasonCode.success : ReasonCode.noSubscriptionExisted;
  });
  const finish = (): void => link.send({ type: "unsuback", packetId: packet.packetId, reasonCodes });
  if (session.record) session.record.saveThen(["meta", "progress"], finish);
  else finish();
}
