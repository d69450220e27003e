import { headerOfPublish, publishSize, writePublish } from "@weir/protocol";
import type { ProtocolVersion, PublishPacket } from "@weir/protocol";
import { bufferTextCodec } from "./buffer-text-codec.ts";

const NO_PAYLOAD = new Uint8Array(0);

/** Bytes of the packet in front of its payload, given the size of the whole. */
export function publishHeadSize(packet: PublishPacket, size: number): number {
  return size - packet.payload.length;
}

/**
 * Writes what stands before a PUBLISH's payload, so that a large payload can follow from where it is.
 *
 * @param size of the whole packet, from `publishSize`
 */
export function writePublishHead(
  target: Uint8Array,
  offset: number,
  { packet, size, version }: { packet: PublishPacket; size: number; version: ProtocolVersion },
): void {
  const bare: PublishPacket = { ...packet, payload: NO_PAYLOAD };
  const bareSize = publishSize(bare, version, bufferTextCodec);
  // The remaining length takes more bytes with the payload than without: write behind it, then put it in front
  const start = offset + publishHeadSize(packet, size) - bareSize;
  writePublish(target, start, bare, version, bufferTextCodec);
  target[offset] = headerOfPublish(packet.qos, packet.retain, packet.dup);
  writeRemainingLength(target, offset + 1, size);
}

function writeRemainingLength(target: Uint8Array, offset: number, size: number): void {
  let rest = size - 1 - lengthBytes(size);
  let end = offset;
  for (; rest >= 0x80; rest >>>= 7) target[end++] = (rest & 0x7f) | 0x80;
  target[end] = rest;
}

/** How many bytes of a packet of this size are its remaining length. */
function lengthBytes(size: number): number {
  if (size < 0x80 + 2) return 1;
  if (size < 0x4000 + 3) return 2;
  return size < 0x20_0000 + 4 ? 3 : 4;
}
