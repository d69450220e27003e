import { violation } from "../protocol-error.ts";
import type { Reader } from "../reader.ts";

/** A packet identifier, which is never 0 [MQTT-2.2.1-3], [MQTT-2.2.1-4]. */
export function readPacketId(reader: Reader): number {
  const packetId = reader.u16();
  if (packetId === 0) throw violation("the packet identifier is 0");
  return packetId;
}
