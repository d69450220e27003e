import { crc32 as nativeCrc32 } from "node:zlib";

/** From here on a call into zlib (5 GB/s and about 300 ns for the call and its view) beats the table (1 GB/s). */
const nativeFromBytes = 400;

/** Slicing by 8: eight tables in one, for the reflected polynomial 0xEDB88320. */
const table = createTable();

/**
 * CRC-32 as zlib computes it, of `bytes[from..to)`, continued from `seed`. Not CRC-32C: both find every flipped bit and
 * every burst of up to 32 bits, but this one has a native implementation at hand for what is long.
 *
 * @example
 * crc32Of(new TextEncoder().encode("123456789"), 0, 9, 0) >>> 0; // 0xcbf43926
 */
export function crc32Of(bytes: Uint8Array, from: number, to: number, seed: number): number {
  return to - from < nativeFromBytes
    ? tableCrc32(bytes, from, to, seed)
    : nativeCrc32(bytes.subarray(from, to), seed >>> 0) | 0;
}

function tableCrc32(bytes: Uint8Array, from: number, to: number, seed: number): number {
  let crc = ~seed;
  let at = from;
  for (const last = to - 7; at < last; at += 8) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      table[1_792 + (crc & 255)]! ^
      table[1_536 + ((crc >>> 8) & 255)]! ^
      table[1_280 + ((crc >>> 16) & 255)]! ^
      table[1_024 + (crc >>> 24)]! ^
      table[768 + bytes[at + 4]!]! ^
      table[512 + bytes[at + 5]!]! ^
      table[256 + bytes[at + 6]!]! ^
      table[bytes[at + 7]!]!;
  }
  for (; at < to; at++) crc = table[(crc ^ bytes[at]!) & 255]! ^ (crc >>> 8);
  return ~crc;
}

function createTable(): Int32Array {
  const entries = new Int32Array(2_048);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    entries[byte] = crc;
  }
  for (let index = 256; index < 2_048; index++) {
    const crc = entries[index - 256]!;
    entries[index] = entries[crc & 255]! ^ (crc >>> 8);
  }
  return entries;
}
