import { join } from "node:path";
import type { Seq } from "../../../core/ports/engine.ts";
import { crc32Of } from "../crc32.ts";
import type { DamageLog } from "../damage-log.ts";
import { type Files, readFile, replaceFile, withFile } from "../disk/files.ts";
import { Block } from "../segment/block.ts";
import {
  decodeId,
  minRecordBytes,
  publishedAtMsOf,
  recordDelta,
  recordSize,
  type RecordBytes,
} from "../segment/record-codec.ts";
import { type DamagedRange, type Scan, scanRecords } from "../segment/record-scan.ts";
import { decodeSegmentIndex, encodeSegmentIndex, type SegmentIndex } from "../segment/segment-index.ts";
import {
  decodeSegmentHeader,
  headerBytes,
  indexNameOf,
  parseSegmentName,
  type SegmentHeader,
} from "../segment/segment-header.ts";
import { Segment } from "../segment/segment.ts";

export interface RecoveryOptions {
  readonly files: Files;
  readonly directory: string;
  readonly identity: Pick<SegmentHeader, "tenant" | "epoch">;
  readonly blockBytes: number;
  readonly dedupMs: number;
  readonly maxIds: number;
  readonly damage: DamageLog;
}

export interface RecoveredId {
  readonly id: string;
  readonly seq: Seq;
}

export interface RecoveredLog {
  /** Rising; the last may be written on. */
  readonly segments: Segment[];
  readonly head: Seq;
  /** Of the last records, the oldest first. */
  readonly ids: readonly RecoveredId[];
}

/**
 * Finds what a process left behind, however it ended: half-made files are removed, segments that a compacted one covers
 * too; the last segment is read and a torn tail cut off; the others are known by their index, or read where it is missing.
 */
export async function recoverLog(options: RecoveryOptions): Promise<RecoveredLog> {
  const segments = await findSegments(options);
  let head = 0;
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    const lostSeqs = isLast ? await readLast(options, segment) : await readSealed(options, segment);
    head = Math.max(head, segment.endSeq + lostSeqs);
  }
  await dropUnborn(options, segments);
  const last = segments.at(-1);
  if (last !== undefined) head = Math.max(head, last.endSeq);
  return { segments, head, ids: await recoverIds(options, segments) };
}

async function findSegments(options: RecoveryOptions): Promise<Segment[]> {
  const { files, directory } = options;
  const names = await files.list(directory);
  for (const name of names) if (name.endsWith(".tmp")) await files.unlink(join(directory, name));
  const found: Segment[] = [];
  for (const name of names) {
    const place = parseSegmentName(name);
    if (place !== undefined) found.push(new Segment(directory, await readHeader(options, name, place)));
  }
  const segments = found
    .filter((segment) => !found.some((other) => isCoveredBy(segment, other)))
    .sort((left, right) => left.firstSeq - right.firstSeq);
  const kept = new Set(segments.flatMap(({ name }) => [name, indexNameOf(name)]));
  for (const name of names) {
    const isOurs = name.endsWith(".seg") || name.endsWith(".idx");
    if (isOurs && !kept.has(name)) await files.unlink(join(directory, name));
  }
  return segments;
}

function isCoveredBy(segment: Segment, other: Segment): boolean {
  return (
    other.header.generation > segment.header.generation &&
    other.firstSeq <= segment.firstSeq &&
    segment.firstSeq <= other.header.coveredTo
  );
}

/** A header that is damaged is replaced by what the file's name says. */
async function readHeader(
  { files, directory, identity, damage }: RecoveryOptions,
  name: string,
  place: { firstSeq: number; generation: number },
): Promise<SegmentHeader> {
  const path = join(directory, name);
  const bytes = Buffer.alloc(headerBytes(identity.tenant));
  const length = await withFile(files, path, (file) => file.read(bytes, 0));
  const header = decodeSegmentHeader(bytes.subarray(0, length));
  const isRight = header?.firstSeq === place.firstSeq && header.generation === place.generation;
  if (header !== undefined && isRight) return header;
  if (length === bytes.length) await damage.note({ path, offset: 0, lost: undefined }, bytes);
  return { ...identity, ...place, coveredTo: 0 };
}

/** An index that was written before the segment was complete, at an earlier end, tells of less than there is. */
async function readSealed(options: RecoveryOptions, segment: Segment): Promise<number> {
  const index = await readIndex(options, segment);
  const { files, directory } = options;
  const size = await withFile(files, segment.path, (file) => file.size());
  if (index?.length === size) {
    adoptIndex(segment, index);
    return 0;
  }
  const bytes = (await readFile(files, segment.path))!;
  const content = contentOf(bytes);
  const scan = scanRecords(content, { from: segment.dataStart, to: bytes.length, salt: segment.salt });
  await reportDamage(options, segment, content, scan, scan.damaged);
  adoptScan(segment, content, scan, options.blockBytes);
  segment.length = bytes.length;
  await replaceFile(files, join(directory, indexNameOf(segment.name)), encodeSegmentIndex(segment));
  return 0;
}

/** Returns how many numbers more than its records have may have been given. */
async function readLast(options: RecoveryOptions, segment: Segment): Promise<number> {
  const { files } = options;
  const bytes = (await readFile(files, segment.path))!;
  const content = contentOf(bytes);
  const { dataStart, salt } = segment;
  const scan = scanRecords(content, { from: dataStart, to: bytes.length, salt });
  const flushedTo = (await readIndex(options, segment))?.length ?? 0;
  const isSure = (range: DamagedRange): boolean =>
    range.isSurelyDurable || range.start < flushedTo || segment.header.generation > 0;
  const torn = scan.damaged.find((range) => !isSure(range));
  const durable = torn === undefined ? scan : cutScan(scan, torn);
  await reportDamage(options, segment, content, durable, durable.damaged);
  adoptScan(segment, content, durable, options.blockBytes);
  if (torn === undefined) {
    segment.length = Math.max(segment.length, bytes.length);
    return lostAtEnd(durable, bytes.length);
  }
  await cutTail(options, segment, bytes.subarray(torn.start), scan.starts.length > torn.index);
  segment.length = Math.max(torn.start, dataStart);
  return Math.ceil((bytes.length - torn.start) / minRecordBytes);
}

function cutScan(scan: Scan, torn: DamagedRange): Scan {
  return {
    starts: scan.starts.slice(0, torn.index),
    damaged: scan.damaged.filter((range) => range.start < torn.start),
  };
}

/** Damage right before the end hides how far the numbers went. */
function lostAtEnd({ damaged }: Scan, length: number): number {
  const last = damaged.at(-1);
  return last?.end === length ? Math.ceil((last.end - last.start) / minRecordBytes) : 0;
}

/** What was being written when the power went, or the process. None of it was acknowledged. */
async function cutTail(
  { files, damage }: RecoveryOptions,
  segment: Segment,
  tail: Buffer,
  hasRecords: boolean,
): Promise<void> {
  const offset = segment.blocks.length === 0 ? segment.dataStart : segment.length;
  if (hasRecords) await damage.note({ path: segment.path, offset, lost: undefined }, tail);
  damage.warn({ path: segment.path, offset, bytes: tail.length }, "a torn tail of the log was cut off");
  const file = await files.open(segment.path, "write");
  try {
    await file.truncate(Math.max(offset, segment.dataStart));
    await file.flush();
  } finally {
    await file.close();
  }
}

async function readIndex(options: RecoveryOptions, segment: Segment): Promise<SegmentIndex | undefined> {
  const path = join(options.directory, indexNameOf(segment.name));
  const bytes = await readFile(options.files, path);
  if (bytes === undefined) return undefined;
  const index = decodeSegmentIndex(bytes);
  if (index === undefined) await options.damage.note({ path, offset: 0, lost: undefined }, bytes);
  return index;
}

function adoptIndex(segment: Segment, index: SegmentIndex): void {
  segment.blocks.push(...index.blocks);
  segment.length = index.length;
  segment.newestMs = index.newestMs;
  segment.hasIds = index.hasIds;
}

/** A block ends at its size, and before what is damaged. */
function adoptScan(segment: Segment, content: RecordBytes, scan: Scan, blockBytes: number): void {
  let block: Block | undefined;
  for (const start of scan.starts) {
    const end = start + recordSize(content.view, start);
    const seq = segment.firstSeq + recordDelta(content.view, start);
    const isNext = block !== undefined && block.offset + block.length === start;
    if (block === undefined || !isNext || end - block.offset > blockBytes) {
      block = new Block({ firstSeq: seq, lastSeq: seq, offset: start, length: 0, count: 0 });
      segment.blocks.push(block);
    }
    block.length = end - block.offset;
    block.lastSeq = seq;
    block.count += 1;
    segment.length = end;
    segment.newestMs = Math.max(segment.newestMs, publishedAtMsOf(content.view, start));
    segment.hasIds ||= decodeId(content, start) !== undefined;
  }
  for (const one of segment.blocks) one.crc = crc32Of(content.bytes, one.offset, one.offset + one.length, 0);
}

async function reportDamage(
  options: RecoveryOptions,
  segment: Segment,
  content: RecordBytes,
  { starts }: Scan,
  damaged: readonly DamagedRange[],
): Promise<void> {
  const seqAt = (start: number): number => segment.firstSeq + recordDelta(content.view, start);
  for (const { start, end, index } of damaged) {
    const before = starts[index - 1];
    const after = starts[index];
    const from = before === undefined ? segment.firstSeq : seqAt(before) + 1;
    const to = after === undefined ? from + Math.ceil((end - start) / minRecordBytes) - 1 : seqAt(after) - 1;
    const place = { path: segment.path, offset: start, lost: { from, to } };
    await options.damage.note(place, content.bytes.subarray(start, end));
  }
}

/** A last segment whose first batch never became durable, unless it alone still tells how far the numbers went. */
async function dropUnborn({ files, directory }: RecoveryOptions, segments: Segment[]): Promise<void> {
  const last = segments.at(-1);
  if (last === undefined || last.blocks.length > 0) return;
  if ((segments.at(-2)?.endSeq ?? 0) < last.firstSeq - 1) return;
  segments.pop();
  await files.unlink(last.path);
  await files.unlink(join(directory, indexNameOf(last.name)));
}

async function recoverIds(
  { files, dedupMs, maxIds }: RecoveryOptions,
  segments: readonly Segment[],
): Promise<RecoveredId[]> {
  const newestMs = segments.at(-1)?.newestMs ?? 0;
  const ids: RecoveredId[] = [];
  for (const segment of segments.toReversed()) {
    if (ids.length >= maxIds || newestMs - segment.newestMs > dedupMs) break;
    if (!segment.hasIds) continue;
    const content = contentOf((await readFile(files, segment.path))!);
    for (const block of segment.blocks.toReversed()) collectIds(segment, content, block, ids);
  }
  return ids.slice(0, maxIds).reverse();
}

function collectIds(segment: Segment, content: RecordBytes, block: Block, ids: RecoveredId[]): void {
  const found: RecoveredId[] = [];
  const range = { from: block.offset, to: block.offset + block.length, salt: segment.salt };
  for (const at of scanRecords(content, range).starts) {
    const id = decodeId(content, at);
    if (id !== undefined) found.push({ id, seq: segment.firstSeq + recordDelta(content.view, at) });
  }
  ids.push(...found.reverse());
}

function contentOf(bytes: Buffer): RecordBytes {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}
