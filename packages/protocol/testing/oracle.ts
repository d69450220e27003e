import { Buffer } from "node:buffer";
import mqttPacket from "mqtt-packet";
import type { Packet as OraclePacket } from "mqtt-packet";
import type {
  ConnackPacket,
  ConnectPacket,
  Packet,
  ProtocolVersion,
  PublishPacket,
  SubackPacket,
  SubscribePacket,
  UnsubackPacket,
  Will,
} from "../src/index.ts";

/** Reads packets with `mqtt-packet`. */
export function parseWithOracle(bytes: Uint8Array, version: ProtocolVersion): OraclePacket[] {
  const found: OraclePacket[] = [];
  const parser = mqttPacket.parser({ protocolVersion: version });
  parser.on("packet", (packet) => found.push(packet));
  parser.on("error", (error) => {
    throw error;
  });
  parser.parse(Buffer.from(bytes));
  return found;
}

/** Writes a packet with `mqtt-packet`. */
export function generateWithOracle(packet: Packet, version: ProtocolVersion): Uint8Array {
  return mqttPacket.generate(inOracleTerms(packet, version) as unknown as OraclePacket, {
    protocolVersion: version,
  });
}

type Fields = Record<string, unknown>;

/** The packet as `mqtt-packet` names its fields. */
export function inOracleTerms(packet: Packet, version: ProtocolVersion): Fields {
  const own = { cmd: packet.type, ...fieldsOf(packet, version) };
  const properties = "properties" in packet ? propertiesInOracleTerms(packet.properties ?? {}) : {};
  return Object.keys(properties).length === 0 ? own : { ...own, properties };
}

function fieldsOf(packet: Packet, version: ProtocolVersion): Fields {
  switch (packet.type) {
    case "connect":
      return connectFields(packet);
    case "connack":
      return connackFields(packet, version);
    case "publish":
      return publishFields(packet);
    case "subscribe":
      return subscribeFields(packet, version);
    case "suback":
    case "unsuback":
      return grantFields(packet, version);
    case "unsubscribe":
      return { messageId: packet.packetId, unsubscriptions: [...packet.topicFilters] };
    case "pingreq":
    case "pingresp":
      return {};
    case "disconnect":
    case "auth":
      return version === 5 ? { reasonCode: packet.reasonCode } : {};
    default:
      return { messageId: packet.packetId, ...(version === 5 ? { reasonCode: packet.reasonCode } : {}) };
  }
}

function connectFields(packet: ConnectPacket): Fields {
  const { will } = packet;
  const willFields = will === undefined ? {} : { will: willOf(will) };
  return {
    protocolId: packet.protocolVersion === 3 ? "MQIsdp" : "MQTT",
    protocolVersion: packet.protocolVersion,
    clean: packet.cleanStart,
    keepalive: packet.keepAlive,
    clientId: packet.clientId,
    ...willFields,
    ...(packet.username === undefined ? {} : { username: packet.username }),
    ...(packet.password === undefined ? {} : { password: Buffer.from(packet.password) }),
  };
}

function willOf(will: Will): Fields {
  const { topic, qos, retain, properties } = will;
  return { topic, qos, retain, payload: Buffer.from(will.payload), ...propertiesField(properties) };
}

function propertiesField(properties: object): Fields {
  const found = propertiesInOracleTerms(properties);
  return Object.keys(found).length === 0 ? {} : { properties: found };
}

function connackFields(packet: ConnackPacket, version: ProtocolVersion): Fields {
  const code = version === 5 ? { reasonCode: packet.reasonCode } : { returnCode: packet.reasonCode };
  return { sessionPresent: packet.sessionPresent, ...code };
}

function publishFields(packet: PublishPacket): Fields {
  const { topic, qos, retain, dup } = packet;
  const payload = Buffer.from(packet.payload);
  return { topic, qos, retain, dup, payload, ...(qos === 0 ? {} : { messageId: packet.packetId }) };
}

function subscribeFields(packet: SubscribePacket, version: ProtocolVersion): Fields {
  const subscriptions = packet.subscriptions.map((one) => {
    const options = { nl: one.noLocal, rap: one.retainAsPublished, rh: one.retainHandling };
    return { topic: one.topicFilter, qos: one.qos, ...(version === 5 ? options : {}) };
  });
  return { messageId: packet.packetId, subscriptions };
}

function grantFields(packet: SubackPacket | UnsubackPacket, version: ProtocolVersion): Fields {
  const granted = packet.type === "suback" || version === 5 ? { granted: [...packet.reasonCodes] } : {};
  return { messageId: packet.packetId, ...granted };
}

const oracleNames: Readonly<Record<string, string>> = {
  maximumQos: "maximumQoS",
  subscriptionIdentifiers: "subscriptionIdentifier",
};

function propertiesInOracleTerms(properties: object): Fields {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [
      oracleNames[name] ?? name,
      valueInOracleTerms(name, value),
    ]),
  );
}

function valueInOracleTerms(name: string, value: unknown): unknown {
  if (name === "userProperties") return Object.fromEntries(value as [string, string][]);
  if (name === "payloadFormatIndicator") return value === 1;
  if (name === "subscriptionIdentifiers") return oneOrList(value as number[]);
  return value instanceof Uint8Array ? Buffer.from(value) : value;
}

function oneOrList(values: readonly number[]): number | readonly number[] {
  return values.length === 1 ? values[0]! : values;
}
