import { PacketDecoder } from "../src/index.ts";
import type { Packet, ProtocolVersion } from "../src/index.ts";

export type Part = number | string | Uint8Array | readonly Part[];

/** Bytes from parts: numbers are bytes, strings are UTF-8 with their length before them, lists nest. */
export function bytesOf(...parts: readonly Part[]): Uint8Array {
  return Uint8Array.from(parts.flatMap(flatten));
}

function flatten(part: Part): number[] {
  if (typeof part === "number") return [part];
  if (typeof part === "string") {
    const text = Buffer.from(part);
    return [...u16(text.length), ...text];
  }
  if (part instanceof Uint8Array) return [...part];
  return part.flatMap(flatten);
}

export function u16(value: number): number[] {
  return [value >> 8, value & 0xff];
}

export function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}

/** A packet with its first byte, its remaining length and its fields. */
export function packetOf(header: number, ...fields: readonly Part[]): Uint8Array {
  const body = bytesOf(...fields);
  return bytesOf(header, varint(body.length), body);
}

/** Properties with their length before them. */
export function propertiesOf(...parts: readonly Part[]): number[] {
  const body = bytesOf(...parts);
  return [...varint(body.length), ...body];
}

export interface Peer {
  readonly from?: "client" | "server";
  readonly version?: ProtocolVersion;
  readonly maxPacketBytes?: number;
}

/** A decoder of a peer that has said its CONNECT, unless `version` is left out. */
export function decoderOf(peer: Peer): PacketDecoder {
  const version = peer.version === undefined ? {} : { protocolVersion: peer.version };
  const maxPacketBytes = peer.maxPacketBytes ?? 1_048_576;
  return new PacketDecoder({ from: peer.from ?? "client", maxPacketBytes, ...version });
}

/** All packets in the chunks. */
export function decodeAll(decoder: PacketDecoder, ...chunks: readonly Uint8Array[]): Packet[] {
  const packets: Packet[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) packets.push(packet);
  }
  return packets;
}

/** What the decoder throws on these bytes; undefined if it takes them. */
export function refusalOf(decoder: PacketDecoder, ...chunks: readonly Uint8Array[]): unknown {
  try {
    decodeAll(decoder, ...chunks);
    return undefined;
  } catch (error) {
    return error;
  }
}
