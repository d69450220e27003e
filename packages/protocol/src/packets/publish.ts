import { malformed, violation } from "../protocol-error.ts";
import { PropertySet, readProperties, sectionSize, writeProperties } from "../properties.ts";
import { PacketType } from "../packet-type.ts";
import { pureTextCodec } from "../text-codec.ts";
import { checkField, checkRemaining, varintSize, Writer, writeVarint } from "../writer.ts";
import { readPacketId } from "./packet-id.ts";
import type { ProtocolVersion, PublishPacket, PublishProperties, Qos } from "../packet.ts";
import type { Reader } from "../reader.ts";
import type { TextCodec } from "../text-codec.ts";
import type { TopicMemory } from "./topic-memory.ts";

const publishSet = new PropertySet(
  "payloadFormatIndicator",
  "messageExpiryInterval",
  "contentType",
  "responseTopic",
  "correlationData",
  "subscriptionIdentifiers",
  "topicAlias",
  "userProperties",
);

const RETAIN = 0x01;
const DUP = 0x08;

/** Refuses the PUBLISH flags that cannot be, as soon as the first byte is there. */
export function checkPublishFlags(flags: number): void {
  const qosBits = flags & 0x06;
  if (qosBits === 0x06) throw malformed("PUBLISH has a QoS of 3"); // [MQTT-3.3.1-4]
  if (qosBits === 0 && (flags & DUP) !== 0) throw malformed("PUBLISH at QoS 0 has its DUP flag set"); // [MQTT-3.3.1-2]
}

/** Reads a PUBLISH; the payload is a view of the reader's bytes. */
export function readPublish(
  reader: Reader,
  header: number,
  version: ProtocolVersion,
  topics: TopicMemory,
): PublishPacket {
  const topic = topics.read(reader);
  const qos = ((header >> 1) & 3) as Qos;
  const packetId = qos === 0 ? 0 : readPacketId(reader); // [MQTT-2.2.1-2]
  const properties = version === 5 ? readProperties(reader, publishSet) : undefined;
  if (topic === "") checkAliased(version, properties);
  const retain = (header & RETAIN) !== 0;
  const dup = (header & DUP) !== 0;
  const payload = reader.rest();
  return properties === undefined
    ? { type: "publish", topic, payload, qos, retain, dup, packetId }
    : { type: "publish", topic, payload, qos, retain, dup, packetId, properties };
}

// MQTT 5.0 §3.3.2.1; before 5 [MQTT-4.7.3-1]
function checkAliased(version: ProtocolVersion, properties: PublishProperties | undefined): void {
  if (version !== 5) throw malformed("the topic name is empty");
  if (properties?.topicAlias === undefined)
    throw violation("the topic name is empty and there is no topic alias");
}

/**
 * Bytes of the whole packet, to be held against the receiver's Maximum Packet Size [MQTT-3.1.2-24] and to make room
 * for {@link writePublish}.
 *
 * @param topic the topic's UTF-8, if the caller has it at hand: saves encoding it for every receiver
 * @throws RangeError if no packet can be that large
 */
export function publishSize(
  packet: PublishPacket,
  version: ProtocolVersion,
  text: TextCodec = pureTextCodec,
  topic?: Uint8Array,
): number {
  const remaining = remainingOf(packet, version, text, topic);
  return 1 + varintSize(remaining) + remaining;
}

function remainingOf(
  packet: PublishPacket,
  version: ProtocolVersion,
  text: TextCodec,
  topic: Uint8Array | undefined,
): number {
  const topicBytes = topic === undefined ? text.byteLength(packet.topic) : topic.length;
  checkField(topicBytes);
  const properties = version === 5 ? sectionSize(packet.properties, publishSet, text) : 0;
  const remaining = 2 + topicBytes + (packet.qos === 0 ? 0 : 2) + properties + packet.payload.length;
  checkRemaining(remaining);
  return remaining;
}

/**
 * Writes a PUBLISH at `offset` and gives the offset behind it; allocates nothing where there are no properties.
 *
 * @param topic as for {@link publishSize}
 * @throws RangeError if the target is too small; nothing is written then
 */
export function writePublish(
  target: Uint8Array,
  offset: number,
  packet: PublishPacket,
  version: ProtocolVersion,
  text: TextCodec = pureTextCodec,
  topic?: Uint8Array,
): number {
  const remaining = remainingOf(packet, version, text, topic);
  if (offset + 1 + varintSize(remaining) + remaining > target.length)
    throw new RangeError("no room for the PUBLISH");
  target[offset] = headerOfPublish(packet.qos, packet.retain, packet.dup);
  let end = writeVarint(target, offset + 1, remaining);
  end = writeTopic(target, end, packet.topic, text, topic);
  if (packet.qos !== 0) end = writeU16(target, end, packet.packetId);
  if (version === 5) end = writePublishProperties(target, end, packet.properties, text);
  target.set(packet.payload, end);
  return end + packet.payload.length;
}

/** The first byte of a PUBLISH. */
export function headerOfPublish(qos: Qos, retain: boolean, dup: boolean): number {
  return (PacketType.publish << 4) | (dup ? DUP : 0) | (qos << 1) | (retain ? RETAIN : 0);
}

function writeTopic(
  target: Uint8Array,
  offset: number,
  name: string,
  text: TextCodec,
  topic: Uint8Array | undefined,
): number {
  const start = offset + 2;
  if (topic === undefined) {
    const length = text.encodeInto(name, target, start);
    writeU16(target, offset, length);
    return start + length;
  }
  writeU16(target, offset, topic.length);
  target.set(topic, start);
  return start + topic.length;
}

function writeU16(target: Uint8Array, offset: number, value: number): number {
  target[offset] = value >>> 8;
  target[offset + 1] = value;
  return offset + 2;
}

function writePublishProperties(
  target: Uint8Array,
  offset: number,
  properties: PublishProperties | undefined,
  text: TextCodec,
): number {
  if (properties === undefined) {
    target[offset] = 0;
    return offset + 1;
  }
  const writer = new Writer(text, target, offset);
  writeProperties(writer, properties, publishSet);
  return writer.offset;
}

/**
 * Copies a whole PUBLISH at QoS 1 or 2 with another packet id and first byte, and gives the offset behind it: the way
 * to send one encoded frame to many receivers.
 *
 * @param frame a PUBLISH at QoS 1 or 2, as {@link writePublish} or a peer made it
 * @param header from {@link headerOfPublish}; its QoS must not be 0
 */
export function copyPublish(
  target: Uint8Array,
  offset: number,
  frame: Uint8Array,
  header: number,
  packetId: number,
): number {
  target.set(frame, offset);
  target[offset] = header;
  writeU16(target, offset + packetIdOffset(frame), packetId);
  return offset + frame.length;
}

function packetIdOffset(frame: Uint8Array): number {
  let offset = 1;
  while (frame[offset]! >= 0x80) offset++;
  offset++;
  return offset + 2 + ((frame[offset]! << 8) | frame[offset + 1]!);
}
