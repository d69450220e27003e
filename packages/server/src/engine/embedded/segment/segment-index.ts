import { crc32Of } from "../crc32.ts";
import { Block } from "./block.ts";

/**
 * What a segment's index file says, so that a start need not read the segment (little-endian): "WEIRIDX\0" · u32 CRC-32
 * of all that follows · u32 blocks · f64 bytes of the segment it tells of · f64 newest record (ms) · u32 whether ids are
 * in it, then for each block f64 first and last number, f64 offset, u32 length, u32 count, u32 whether
 * its CRC-32 is known, i32 CRC-32.
 */
export interface SegmentIndex {
  readonly length: number;
  readonly newestMs: number;
  readonly hasIds: boolean;
  readonly blocks: Block[];
}

const magic = Buffer.from("WEIRIDX\0", "latin1");
const fixedBytes = 36;
const blockBytes = 40;

export function encodeSegmentIndex(index: SegmentIndex): Buffer {
  const bytes = Buffer.alloc(fixedBytes + index.blocks.length * blockBytes);
  magic.copy(bytes);
  bytes.writeUInt32LE(index.blocks.length, 12);
  bytes.writeDoubleLE(index.length, 16);
  bytes.writeDoubleLE(index.newestMs, 24);
  bytes.writeUInt32LE(index.hasIds ? 1 : 0, 32);
  let at = fixedBytes;
  for (const block of index.blocks) {
    bytes.writeDoubleLE(block.firstSeq, at);
    bytes.writeDoubleLE(block.lastSeq, at + 8);
    bytes.writeDoubleLE(block.offset, at + 16);
    bytes.writeUInt32LE(block.length, at + 24);
    bytes.writeUInt32LE(block.count, at + 28);
    bytes.writeUInt32LE(block.crc === undefined ? 0 : 1, at + 32);
    bytes.writeInt32LE(block.crc ?? 0, at + 36);
    at += blockBytes;
  }
  bytes.writeInt32LE(crc32Of(bytes, 12, bytes.length, 0), 8);
  return bytes;
}

/** Undefined where it is damaged: the segment has all that it says. */
export function decodeSegmentIndex(bytes: Buffer): SegmentIndex | undefined {
  if (bytes.length < fixedBytes || !bytes.subarray(0, 8).equals(magic)) return undefined;
  if (crc32Of(bytes, 12, bytes.length, 0) !== bytes.readInt32LE(8)) return undefined;
  const count = bytes.readUInt32LE(12);
  const blocks: Block[] = [];
  for (let at = fixedBytes; blocks.length < count; at += blockBytes) blocks.push(decodeBlock(bytes, at));
  return {
    blocks,
    length: bytes.readDoubleLE(16),
    newestMs: bytes.readDoubleLE(24),
    hasIds: bytes.readUInt32LE(32) === 1,
  };
}

function decodeBlock(bytes: Buffer, at: number): Block {
  const block = new Block({
    firstSeq: bytes.readDoubleLE(at),
    lastSeq: bytes.readDoubleLE(at + 8),
    offset: bytes.readDoubleLE(at + 16),
    length: bytes.readUInt32LE(at + 24),
    count: bytes.readUInt32LE(at + 28),
  });
  if (bytes.readUInt32LE(at + 32) === 1) block.crc = bytes.readInt32LE(at + 36);
  return block;
}
