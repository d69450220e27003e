import { malformed, violation } from "./protocol-error.ts";
import * as kind from "./property-kinds.ts";
import { varintSize } from "./writer.ts";
import type {
  AuthPacket,
  ConnackProperties,
  ConnectProperties,
  DisconnectPacket,
  PublishProperties,
  SubscribePacket,
  WillProperties,
} from "./packet.ts";
import type { PropertyKind } from "./property-kinds.ts";
import type { Reader } from "./reader.ts";
import type { TextCodec } from "./text-codec.ts";
import type { Writer } from "./writer.ts";

/** Every property that some packet may have. What one packet has is a part of it. */
export type Properties = ConnectProperties &
  ConnackProperties &
  PublishProperties &
  WillProperties &
  NonNullable<SubscribePacket["properties"]> &
  NonNullable<DisconnectPacket["properties"]> &
  NonNullable<AuthPacket["properties"]>;

interface PropertyDefinition {
  readonly id: number;
  readonly name: keyof Properties;
  readonly kind: PropertyKind<unknown>;
}

/** The properties that one packet type allows, by identifier. */
export class PropertySet {
  readonly definitions: readonly PropertyDefinition[];
  readonly #byId: readonly (PropertyDefinition | undefined)[];

  constructor(...names: readonly (keyof Properties)[]) {
    this.definitions = definitions.filter((definition) => names.includes(definition.name));
    this.#byId = Array.from({ length: 256 }, (_, id) => this.definitions.find((one) => one.id === id));
  }

  get(id: number): PropertyDefinition | undefined {
    return this.#byId[id];
  }
}

function define<Name extends keyof Properties>(
  id: number,
  name: Name,
  kindOfValue: PropertyKind<NonNullable<Properties[Name]>>,
): PropertyDefinition {
  return { id, name, kind: kindOfValue };
}

// MQTT 5.0 §2.2.2.2
const definitions: readonly PropertyDefinition[] = [
  define(0x01, "payloadFormatIndicator", kind.bitKind),
  define(0x02, "messageExpiryInterval", kind.u32Kind),
  define(0x03, "contentType", kind.textKind),
  define(0x08, "responseTopic", kind.responseTopicKind),
  define(0x09, "correlationData", kind.binaryKind),
  define(0x0b, "subscriptionIdentifier", kind.identifierKind),
  define(0x0b, "subscriptionIdentifiers", kind.identifiersKind),
  define(0x11, "sessionExpiryInterval", kind.u32Kind),
  define(0x12, "assignedClientIdentifier", kind.textKind),
  define(0x13, "serverKeepAlive", kind.u16Kind),
  define(0x15, "authenticationMethod", kind.textKind),
  define(0x16, "authenticationData", kind.binaryKind),
  define(0x17, "requestProblemInformation", kind.flagKind),
  define(0x18, "willDelayInterval", kind.u32Kind),
  define(0x19, "requestResponseInformation", kind.flagKind),
  define(0x1a, "responseInformation", kind.textKind),
  define(0x1c, "serverReference", kind.textKind),
  define(0x1f, "reasonString", kind.textKind),
  define(0x21, "receiveMaximum", kind.positiveU16Kind),
  define(0x22, "topicAliasMaximum", kind.u16Kind),
  define(0x23, "topicAlias", kind.aliasKind),
  define(0x24, "maximumQos", kind.bitKind),
  define(0x25, "retainAvailable", kind.flagKind),
  define(0x26, "userProperties", kind.pairsKind),
  define(0x27, "maximumPacketSize", kind.positiveU32Kind),
  define(0x28, "wildcardSubscriptionAvailable", kind.flagKind),
  define(0x29, "subscriptionIdentifiersAvailable", kind.flagKind),
  define(0x2a, "sharedSubscriptionAvailable", kind.flagKind),
];

/**
 * Reads a packet's properties; undefined where there are none.
 * An identifier that is unknown or not of this packet is malformed (§2.2.2.2), one that stands twice a violation.
 */
export function readProperties(reader: Reader, allowed: PropertySet): Properties | undefined {
  const length = reader.varint();
  if (length === 0) return undefined;
  if (length > reader.remaining) throw malformed("the properties are longer than the packet");
  const packetEnd = reader.end;
  reader.end = reader.offset + length;
  const found: Record<string, unknown> = {};
  while (reader.offset < reader.end) readProperty(reader, allowed, found);
  reader.end = packetEnd;
  const properties: Properties = found;
  checkAuthentication(properties);
  return properties;
}

function readProperty(reader: Reader, allowed: PropertySet, found: Record<string, unknown>): void {
  const id = reader.u8();
  const definition = allowed.get(id);
  if (definition === undefined) throw malformed(`the packet must not have a property 0x${id.toString(16)}`);
  found[definition.name] = definition.kind.read(reader, found[definition.name]);
}

// MQTT 5.0 §3.1.2.11.10
function checkAuthentication(properties: Properties): void {
  if (properties.authenticationData === undefined || properties.authenticationMethod !== undefined) return;
  throw violation("authentication data without an authentication method");
}

/** Bytes of the properties without the length before them. */
function propertiesSize(properties: Properties, allowed: PropertySet, text: TextCodec): number {
  let size = 0;
  for (const definition of allowed.definitions) {
    const value = properties[definition.name];
    if (value !== undefined) size += definition.kind.size(value, text);
  }
  return size;
}

/** Writes the length and the properties, in the order of their identifiers; a 0 where there are none [MQTT-2.2.2-1]. */
export function writeProperties(
  writer: Writer,
  properties: Properties | undefined,
  allowed: PropertySet,
): void {
  if (properties === undefined) {
    writer.u8(0);
    return;
  }
  writer.varint(propertiesSize(properties, allowed, writer.text));
  for (const definition of allowed.definitions) {
    const value = properties[definition.name];
    if (value !== undefined) definition.kind.write(writer, definition.id, value);
  }
}

/** Bytes of the properties with the length before them. */
export function sectionSize(
  properties: Properties | undefined,
  allowed: PropertySet,
  text: TextCodec,
): number {
  if (properties === undefined) return 1;
  const size = propertiesSize(properties, allowed, text);
  return varintSize(size) + size;
}

/** True where there is nothing to write. */
export function hasNone(properties: Properties | undefined, allowed: PropertySet, text: TextCodec): boolean {
  return properties === undefined || propertiesSize(properties, allowed, text) === 0;
}
