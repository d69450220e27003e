import { malformed, silenced, UnsupportedVersionError } from "../protocol-error.ts";
import { PropertySet, readProperties, writeProperties } from "../properties.ts";
import { isTopicName } from "../topic-name.ts";
import type { ConnectPacket, ProtocolVersion, Qos, Will } from "../packet.ts";
import type { Reader } from "../reader.ts";
import type { Writer } from "../writer.ts";

const connectSet = new PropertySet(
  "sessionExpiryInterval",
  "receiveMaximum",
  "maximumPacketSize",
  "topicAliasMaximum",
  "requestResponseInformation",
  "requestProblemInformation",
  "userProperties",
  "authenticationMethod",
  "authenticationData",
);

const willSet = new PropertySet(
  "willDelayInterval",
  "payloadFormatIndicator",
  "messageExpiryInterval",
  "contentType",
  "responseTopic",
  "correlationData",
  "userProperties",
);

const RESERVED = 0x01;
const CLEAN_START = 0x02;
const WILL = 0x04;
const WILL_QOS_SHIFT = 3;
const WILL_RETAIN = 0x20;
const PASSWORD = 0x40;
const USER_NAME = 0x80;
// What bridges of mosquitto add to the level; answered in 3.x, they try again without
const BRIDGE = 0x80;

/** The variable header up to the keep alive: what has to be sound before the peer is told anything. */
export interface ConnectHead {
  readonly version: ProtocolVersion;
  readonly flags: number;
  readonly keepAlive: number;
}

/** Reads protocol name, level, connect flags and keep alive. `headerFlags` are those of the packet's first byte. */
export function readConnectHead(reader: Reader, headerFlags: number): ConnectHead {
  return silently(() => {
    const version = readVersion(reader);
    // MQTT 3.1 does not use these bits
    if (headerFlags !== 0 && version !== 3) throw malformed("CONNECT has reserved header flags set");
    return { version, flags: readFlags(reader, version), keepAlive: reader.u16() };
  });
}

/** Marks what `read` refuses as nothing to tell the peer about. */
function silently<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw silenced(error);
  }
}

// [MQTT-3.1.2-1], [MQTT-3.1.2-2]
function readVersion(reader: Reader): ProtocolVersion {
  const name = reader.string();
  const level = reader.u8();
  if (name === "MQTT" && (level === 4 || level === 5)) return level;
  if (name === "MQIsdp" && level === 3) return level;
  if (name !== "MQTT" && name !== "MQIsdp") {
    throw new UnsupportedVersionError(level, undefined, "the protocol name is not of MQTT");
  }
  throw new UnsupportedVersionError(
    level,
    answerVersionTo(level),
    `${name} of level ${level} is not spoken here`,
  );
}

function answerVersionTo(level: number): ProtocolVersion {
  const plain = level & ~BRIDGE;
  return plain === 3 || plain === 4 ? 4 : 5;
}

function readFlags(reader: Reader, version: ProtocolVersion): number {
  const flags = reader.u8();
  if (version === 3) return checkWillQos(flags & ~RESERVED);
  if ((flags & RESERVED) !== 0) throw malformed("CONNECT has its reserved flag set"); // [MQTT-3.1.2-3]
  // [MQTT-3.1.2-11], [MQTT-3.1.2-13]
  if ((flags & WILL) === 0 && (flags & (WILL_RETAIN | (3 << WILL_QOS_SHIFT))) !== 0) {
    throw malformed("CONNECT has a will QoS or retain without a will");
  }
  return checkWillQos(flags);
}

// [MQTT-3.1.2-12]
function checkWillQos(flags: number): number {
  if (willQos(flags) === 3 && (flags & WILL) !== 0) throw malformed("CONNECT has a will QoS of 3");
  return flags;
}

function willQos(flags: number): number {
  return (flags >> WILL_QOS_SHIFT) & 3;
}

/** Reads the rest of a CONNECT: properties and payload [MQTT-3.1.3-1]. */
export function readConnectBody(reader: Reader, head: ConnectHead): ConnectPacket {
  const { version, flags, keepAlive } = head;
  const properties = version === 5 ? (readProperties(reader, connectSet) ?? {}) : {};
  const clientId = reader.string();
  const will = (flags & WILL) === 0 ? undefined : readWill(reader, head);
  const credentials = silently(() => readCredentials(reader, head));
  const cleanStart = (flags & CLEAN_START) !== 0;
  const packet = {
    type: "connect",
    protocolVersion: version,
    cleanStart,
    keepAlive,
    clientId,
    properties,
  } as const;
  return { ...packet, ...(will === undefined ? undefined : { will }), ...credentials };
}

function readWill(reader: Reader, head: ConnectHead): Will {
  const properties = head.version === 5 ? (readProperties(reader, willSet) ?? {}) : {};
  const topic = reader.string();
  if (!isTopicName(topic)) throw malformed("the will topic is not a topic name");
  const payload = reader.binary();
  const retain = (head.flags & WILL_RETAIN) !== 0;
  return { topic, payload, qos: willQos(head.flags) as Qos, retain, properties };
}

type Credentials = Pick<ConnectPacket, "username" | "password">;

function readCredentials(reader: Reader, head: ConnectHead): Credentials {
  const { version, flags } = head;
  // 3.1.1 [MQTT-3.1.2-22]; MQTT 5 allows a password alone
  if (version !== 5 && (flags & (USER_NAME | PASSWORD)) === PASSWORD) {
    throw malformed("CONNECT has a password without a user name");
  }
  const username = hasField(reader, head, USER_NAME) ? reader.string() : undefined;
  const password = hasField(reader, head, PASSWORD) ? reader.binary() : undefined;
  return {
    ...(username === undefined ? undefined : { username }),
    ...(password === undefined ? undefined : { password }),
  };
}

// In MQTT 3.1 the remaining length takes precedence over the flags (its §3.1)
function hasField(reader: Reader, head: ConnectHead, flag: number): boolean {
  return (head.flags & flag) !== 0 && !(head.version === 3 && reader.remaining === 0);
}

export function writeConnect(writer: Writer, packet: ConnectPacket): void {
  const version = packet.protocolVersion;
  writer.string(version === 3 ? "MQIsdp" : "MQTT");
  writer.u8(version);
  writer.u8(flagsOf(packet));
  writer.u16(packet.keepAlive);
  if (version === 5) writeProperties(writer, packet.properties, connectSet);
  writer.string(packet.clientId);
  if (packet.will !== undefined) writeWill(writer, packet.will, version);
  if (packet.username !== undefined) writer.string(packet.username);
  if (packet.password !== undefined) writer.binary(packet.password);
}

function flagsOf(packet: ConnectPacket): number {
  const { will } = packet;
  return (
    (packet.cleanStart ? CLEAN_START : 0) |
    (will === undefined ? 0 : WILL | (will.qos << WILL_QOS_SHIFT) | (will.retain ? WILL_RETAIN : 0)) |
    (packet.username === undefined ? 0 : USER_NAME) |
    (packet.password === undefined ? 0 : PASSWORD)
  );
}

function writeWill(writer: Writer, will: Will, version: ProtocolVersion): void {
  if (version === 5) writeProperties(writer, will.properties, willSet);
  writer.string(will.topic);
  writer.binary(will.payload);
}
