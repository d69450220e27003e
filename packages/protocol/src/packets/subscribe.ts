import { malformed, PacketBoundError, violation } from "../protocol-error.ts";
import { PropertySet, readProperties, writeProperties } from "../properties.ts";
import { isFilterSyntax, isShared } from "../topic-filter.ts";
import { readPacketId } from "./packet-id.ts";
import type {
  ProtocolVersion,
  Qos,
  RetainHandling,
  SubscribePacket,
  SubscriptionRequest,
} from "../packet.ts";
import type { Reader } from "../reader.ts";
import type { Writer } from "../writer.ts";

const subscribeSet = new PropertySet("subscriptionIdentifier", "userProperties");

const NO_LOCAL = 0x04;
const RETAIN_AS_PUBLISHED = 0x08;
const RETAIN_HANDLING_SHIFT = 4;
const RESERVED = 0xc0;
const BEYOND_QOS = 0xfc;

export function readSubscribe(reader: Reader, version: ProtocolVersion): SubscribePacket {
  const packetId = readPacketId(reader);
  const properties = version === 5 ? readProperties(reader, subscribeSet) : undefined;
  if (reader.remaining === 0) throw violation("SUBSCRIBE has no topic filter"); // [MQTT-3.8.3-2]
  const subscriptions: SubscriptionRequest[] = [];
  while (reader.remaining > 0) {
    checkFilterCount(reader, subscriptions.length);
    subscriptions.push(readSubscription(reader, version));
  }
  const packet = { type: "subscribe", packetId, subscriptions } as const;
  return properties === undefined ? packet : { ...packet, properties };
}

/** `count` topic filters were read, and there is another. */
export function checkFilterCount(reader: Reader, count: number): void {
  const { maxTopicFilters } = reader.bounds;
  if (count < maxTopicFilters) return;
  throw new PacketBoundError("maxTopicFilters", `more than ${maxTopicFilters} topic filters in a packet`);
}

/** A topic filter of SUBSCRIBE or UNSUBSCRIBE; one that is not formed as §4.7 and §4.8.2 ask is malformed. */
export function readTopicFilter(reader: Reader): string {
  const filter = reader.string();
  if (!isFilterSyntax(filter)) throw malformed("a topic filter is not formed as it must be");
  return filter;
}

function readSubscription(reader: Reader, version: ProtocolVersion): SubscriptionRequest {
  const topicFilter = readTopicFilter(reader);
  const options = reader.u8();
  checkOptions(options, version);
  const noLocal = (options & NO_LOCAL) !== 0;
  if (noLocal && isShared(topicFilter)) throw violation("a shared subscription has No Local set"); // [MQTT-3.8.3-4]
  return {
    topicFilter,
    qos: (options & 3) as Qos,
    noLocal,
    retainAsPublished: (options & RETAIN_AS_PUBLISHED) !== 0,
    retainHandling: retainHandlingOf(options) as RetainHandling,
  };
}

function retainHandlingOf(options: number): number {
  return (options >> RETAIN_HANDLING_SHIFT) & 3;
}

// [MQTT-3.8.3-5], MQTT 5.0 §3.8.3.1
function checkOptions(options: number, version: ProtocolVersion): void {
  if ((options & (version === 5 ? RESERVED : BEYOND_QOS)) !== 0)
    throw malformed("a subscription has reserved bits set");
  if ((options & 3) === 3) throw violation("a subscription asks for a QoS of 3");
  if (retainHandlingOf(options) === 3) throw violation("a subscription has a retain handling of 3");
}

export function writeSubscribe(writer: Writer, packet: SubscribePacket, version: ProtocolVersion): void {
  writer.u16(packet.packetId);
  if (version === 5) writeProperties(writer, packet.properties, subscribeSet);
  for (const subscription of packet.subscriptions) {
    writer.string(subscription.topicFilter);
    writer.u8(version === 5 ? optionsOf(subscription) : subscription.qos);
  }
}

function optionsOf(subscription: SubscriptionRequest): number {
  return (
    subscription.qos |
    (subscription.noLocal ? NO_LOCAL : 0) |
    (subscription.retainAsPublished ? RETAIN_AS_PUBLISHED : 0) |
    (subscription.retainHandling << RETAIN_HANDLING_SHIFT)
  );
}
