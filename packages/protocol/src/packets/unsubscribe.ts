import { violation } from "../protocol-error.ts";
import { PropertySet, readProperties, writeProperties } from "../properties.ts";
import { readPacketId } from "./packet-id.ts";
import { checkFilterCount, readTopicFilter } from "./subscribe.ts";
import type { ProtocolVersion, UnsubscribePacket } from "../packet.ts";
import type { Reader } from "../reader.ts";
import type { Writer } from "../writer.ts";

const unsubscribeSet = new PropertySet("userProperties");

export function readUnsubscribe(reader: Reader, version: ProtocolVersion): UnsubscribePacket {
  const packetId = readPacketId(reader);
  const properties = version === 5 ? readProperties(reader, unsubscribeSet) : undefined;
  if (reader.remaining === 0) throw violation("UNSUBSCRIBE has no topic filter"); // [MQTT-3.10.3-2]
  const topicFilters: string[] = [];
  while (reader.remaining > 0) {
    checkFilterCount(reader, topicFilters.length);
    topicFilters.push(readTopicFilter(reader));
  }
  const packet = { type: "unsubscribe", packetId, topicFilters } as const;
  return properties === undefined ? packet : { ...packet, properties };
}

export function writeUnsubscribe(writer: Writer, packet: UnsubscribePacket, version: ProtocolVersion): void {
  writer.u16(packet.packetId);
  if (version === 5) writeProperties(writer, packet.properties, unsubscribeSet);
  for (const filter of packet.topicFilters) writer.string(filter);
}
