import { crc32Of } from "../crc32.ts";
import { newerFormat } from "../store-error.ts";

/**
 * The head of a segment file (little-endian): "WEIRLOG\0" · u16 format · u16 bytes of this header · u32 CRC-32 of all
 * around it · f64 first number · f64 last number covered (a compacted segment takes the place of all that lie
 * between; 0 in others) · u32 generation · 16 bytes epoch of the store · u16 bytes of the tenant's name · the name.
 */
export interface SegmentHeader {
  readonly tenant: string;
  readonly firstSeq: number;
  readonly coveredTo: number;
  readonly generation: number;
  /** 16 random bytes of the store, secret: with them nobody can forge a record inside a payload. */
  readonly epoch: Uint8Array;
}

const segmentFormat = 1;
const magic = Buffer.from("WEIRLOG\0", "latin1");
const fixedBytes = 54;

export function headerBytes(tenant: string): number {
  return fixedBytes + Buffer.byteLength(tenant);
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(headerBytes(header.tenant));
  magic.copy(bytes);
  bytes.writeUInt16LE(segmentFormat, 8);
  bytes.writeUInt16LE(bytes.length, 10);
  bytes.writeDoubleLE(header.firstSeq, 16);
  bytes.writeDoubleLE(header.coveredTo, 24);
  bytes.writeUInt32LE(header.generation, 32);
  bytes.set(header.epoch, 36);
  bytes.writeUInt16LE(bytes.length - fixedBytes, 52);
  bytes.write(header.tenant, fixedBytes);
  bytes.writeInt32LE(checksumOf(bytes, bytes.length), 12);
  return bytes;
}

/** Undefined where it is damaged or not all there. Throws StoreError for a newer format. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < fixedBytes || !bytes.subarray(0, 8).equals(magic)) return undefined;
  const length = bytes.readUInt16LE(10);
  if (length < fixedBytes || length > bytes.length) return undefined;
  const format = bytes.readUInt16LE(8);
  const isSound = checksumOf(bytes, length) === bytes.readInt32LE(12);
  if (isSound && format > segmentFormat) throw newerFormat("a segment of the log", format, segmentFormat);
  if (!isSound) return undefined;
  return {
    firstSeq: bytes.readDoubleLE(16),
    coveredTo: bytes.readDoubleLE(24),
    generation: bytes.readUInt32LE(32),
    epoch: new Uint8Array(bytes.subarray(36, 52)),
    tenant: bytes.toString("utf8", fixedBytes, fixedBytes + bytes.readUInt16LE(52)),
  };
}

/** Of all but the magic and itself. */
function checksumOf(bytes: Buffer, length: number): number {
  return crc32Of(bytes, 16, length, crc32Of(bytes, 8, 12, 0));
}

/** What each record's CRC starts from: a record is valid in its own segment only. */
export function saltOf(header: Pick<SegmentHeader, "epoch" | "firstSeq" | "generation">): number {
  const bytes = Buffer.alloc(28);
  bytes.set(header.epoch);
  bytes.writeDoubleLE(header.firstSeq, 16);
  bytes.writeUInt32LE(header.generation, 24);
  return crc32Of(bytes, 0, bytes.length, 0);
}

const extension = ".seg";

/** What the name says is enough to read a segment whose header is damaged. */
export function segmentName({
  firstSeq,
  generation,
}: Pick<SegmentHeader, "firstSeq" | "generation">): string {
  return `${String(firstSeq).padStart(16, "0")}-${generation}${extension}`;
}

export function parseSegmentName(name: string): { firstSeq: number; generation: number } | undefined {
  const match = /^(\d{16})-(\d{1,9})\.seg$/.exec(name);
  return match === null ? undefined : { firstSeq: Number(match[1]), generation: Number(match[2]) };
}

export function indexNameOf(name: string): string {
  return `${name.slice(0, -extension.length)}.idx`;
}
