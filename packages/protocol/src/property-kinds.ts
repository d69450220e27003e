import { PacketBoundError, ProtocolError, violation } from "./protocol-error.ts";
import { ReasonCode } from "./reason-code.ts";
import { HAS_WILDCARD, scanText } from "./text-scan.ts";
import { varintSize } from "./writer.ts";
import type { UserProperties } from "./packet.ts";
import type { Reader } from "./reader.ts";
import type { TextCodec } from "./text-codec.ts";
import type { Writer } from "./writer.ts";

/** How one kind of property value stands on the wire. */
export interface PropertyKind<Value> {
  /** The value; `previous` is what the packet said before, which only the kinds that may repeat accept. */
  read(reader: Reader, previous: Value | undefined): Value;
  /** Bytes of the property with its identifier. */
  size(value: Value, text: TextCodec): number;
  write(writer: Writer, id: number, value: Value): void;
}

function once(previous: unknown): void {
  if (previous !== undefined) throw violation("a property stands twice");
}

function single<Value>(
  read: (reader: Reader) => Value,
  size: (value: Value, text: TextCodec) => number,
  write: (writer: Writer, value: Value) => void,
): PropertyKind<Value> {
  return {
    read(reader, previous) {
      const value = read(reader);
      once(previous);
      return value;
    },
    size: (value, text) => 1 + size(value, text),
    write(writer, id, value) {
      writer.u8(id);
      write(writer, value);
    },
  };
}

function bit(reader: Reader): 0 | 1 {
  const value = reader.u8();
  if (value > 1) throw violation("a property that is 0 or 1 has another value");
  return value === 1 ? 1 : 0;
}

function nonZero(value: number): number {
  if (value === 0) throw violation("a property that must not be 0 is 0");
  return value;
}

// [MQTT-3.3.2-8]
function aliasOf(reader: Reader): number {
  const alias = reader.u16();
  if (alias === 0) throw new ProtocolError(ReasonCode.topicAliasInvalid, "the topic alias is 0");
  return alias;
}

// [MQTT-3.3.2-13], [MQTT-3.3.2-14], [MQTT-4.7.3-1]
function responseTopicOf(reader: Reader): string {
  const start = reader.offset + 2;
  const topic = reader.string();
  if (topic === "") throw violation("the response topic is empty");
  const found = scanText(reader.bytes, start, reader.offset);
  if ((found & HAS_WILDCARD) !== 0) throw violation("the response topic has a wildcard");
  return topic;
}

const sizeOfText = (value: string, text: TextCodec): number => 2 + text.byteLength(value);

export const flagKind: PropertyKind<boolean> = single(
  (reader) => bit(reader) === 1,
  () => 1,
  (writer, value) => writer.u8(value ? 1 : 0),
);
export const bitKind: PropertyKind<0 | 1> = single(
  bit,
  () => 1,
  (writer, value) => writer.u8(value),
);
export const u16Kind: PropertyKind<number> = single(
  (reader) => reader.u16(),
  () => 2,
  (writer, value) => writer.u16(value),
);
export const positiveU16Kind: PropertyKind<number> = single(
  (reader) => nonZero(reader.u16()),
  () => 2,
  (writer, value) => writer.u16(value),
);
export const aliasKind: PropertyKind<number> = single(
  aliasOf,
  () => 2,
  (writer, value) => writer.u16(value),
);
export const u32Kind: PropertyKind<number> = single(
  (reader) => reader.u32(),
  () => 4,
  (writer, value) => writer.u32(value),
);
export const positiveU32Kind: PropertyKind<number> = single(
  (reader) => nonZero(reader.u32()),
  () => 4,
  (writer, value) => writer.u32(value),
);
export const identifierKind: PropertyKind<number> = single(
  (reader) => nonZero(reader.varint()),
  varintSize,
  (writer, value) => writer.varint(value),
);
export const textKind: PropertyKind<string> = single(
  (reader) => reader.string(),
  sizeOfText,
  (writer, value) => writer.string(value),
);
export const responseTopicKind: PropertyKind<string> = single(responseTopicOf, sizeOfText, (writer, value) =>
  writer.string(value),
);
export const binaryKind: PropertyKind<Uint8Array> = single(
  (reader) => reader.binary(),
  (value) => 2 + value.length,
  (writer, value) => writer.binary(value),
);

/** Subscription identifiers of a PUBLISH: one property each [MQTT-3.3.4-4]. */
export const identifiersKind: PropertyKind<readonly number[]> = {
  read(reader, previous) {
    const list = (previous as number[] | undefined) ?? [];
    list.push(nonZero(reader.varint()));
    return list;
  },
  size: (values) => values.reduce((sum, value) => sum + 1 + varintSize(value), 0),
  write(writer, id, values) {
    for (const value of values) {
      writer.u8(id);
      writer.varint(value);
    }
  },
};

/** User properties: pairs in their order, names may repeat [MQTT-1.5.7-1], [MQTT-3.3.2-18]. */
export const pairsKind: PropertyKind<UserProperties> = {
  read(reader, previous) {
    const pairs = (previous as (readonly [string, string])[] | undefined) ?? [];
    const { maxUserProperties } = reader.bounds;
    if (pairs.length >= maxUserProperties) {
      throw new PacketBoundError("maxUserProperties", `more than ${maxUserProperties} user properties`);
    }
    pairs.push([reader.string(), reader.string()]);
    return pairs;
  },
  size: (pairs, text) =>
    pairs.reduce((sum, pair) => sum + 1 + sizeOfText(pair[0], text) + sizeOfText(pair[1], text), 0),
  write(writer, id, pairs) {
    for (const [name, value] of pairs) {
      writer.u8(id);
      writer.string(name);
      writer.string(value);
    }
  },
};
