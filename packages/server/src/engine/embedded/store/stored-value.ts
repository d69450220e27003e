import type { Plain } from "../../../core/ports/engine.ts";
import { crc32Of } from "../crc32.ts";
import { decodePlain, encodePlain } from "./plain-codec.ts";

/** What stands under a key: u32 CRC-32 of all that follows · f64 revision · name and value as plain data. */
export interface StoredValue {
  readonly name: string;
  readonly value: Plain;
  readonly revision: number;
}

const headBytes = 12;

/** Throws TypeError for what is no plain data. The revision is given later. */
export function encodeStoredValue(name: string, value: Plain): Buffer {
  return encodePlain([name, value], headBytes);
}

/** Completes what `encodeStoredValue` made. */
export function sealStoredValue(bytes: Buffer, revision: number): void {
  bytes.writeDoubleLE(revision, 4);
  bytes.writeInt32LE(crc32Of(bytes, 4, bytes.length, 0), 0);
}

/** Undefined where it is damaged. */
export function decodeStoredValue(bytes: Buffer): StoredValue | undefined {
  if (!isStoredValue(bytes)) return undefined;
  const [name, value] = decodePlain(bytes, headBytes) as [string, Plain];
  return { name, value, revision: bytes.readDoubleLE(4) };
}

export function isStoredValue(bytes: Buffer): boolean {
  return bytes.length > headBytes && crc32Of(bytes, 4, bytes.length, 0) === bytes.readInt32LE(0);
}
