import type { LogRecord } from "../../../core/ports/engine.ts";
import { crc32Of } from "../crc32.ts";
import { ByteCursor, textBound } from "./byte-cursor.ts";
import { DecodedCache } from "./decoded-cache.ts";
import { propertiesBound, readProperties, writeProperties } from "./properties-codec.ts";
import { decodePublisher, PublisherEncoder } from "./publisher-codec.ts";

/**
 * A record in a segment (little-endian): u32 CRC-32 of all that follows, continued from the segment's salt · u32 bytes
 * behind this header · u32 number, counted from the segment's first · then the body: u8 flags · f64 published at ·
 * [f64 expires at] · topic · publisher · [incarnation, u16 packet id] · [id] · [properties] · payload, which is the rest.
 */
const recordHeaderBytes = 12;
/** Header, flags, time, an empty topic, an empty publisher. */
export const minRecordBytes: number = recordHeaderBytes + 1 + 8 + 1 + 1;

const qosMask = 3;
const isRetained = 4;
const hasProperties = 8;
const hasInbound = 16;
const hasId = 32;
/** What stands before was durable when this was written. */
const startsBatch = 64;
const expires = 128;

/** Shorter payloads are copied byte by byte: cheaper than a call. */
const shortPayloadBytes = 24;

const publishers = new PublisherEncoder();
const knownTopics = new DecodedCache(4_096, (bytes, start, end) => bytes.toString("utf8", start, end));
const knownPublishers = new DecodedCache(1_024, decodePublisher);

/** Bytes in memory that hold records. */
export interface RecordBytes {
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** What surrounds a record in its segment. */
export interface RecordFrame {
  readonly salt: number;
  /** The record's number less the segment's first. */
  readonly delta: number;
  readonly isBatchStart: boolean;
}

/** An upper bound of the bytes that `encodeRecord` writes. */
export function recordBound(record: LogRecord, id: string | undefined): number {
  let bound = minRecordBytes + 24 + textBound(record.topic) + publishers.encode(record.publisher).byteLength;
  if (id !== undefined) bound += textBound(id);
  if (record.inbound !== undefined) bound += textBound(record.inbound.incarnation) + 2;
  if (record.properties !== undefined) bound += propertiesBound(record.properties);
  return bound + record.payload.byteLength;
}

const writing = new ByteCursor(Buffer.alloc(0));

/** Writes the record at `start`, where `recordBound` bytes must be free; returns the end. */
export function encodeRecord(
  target: RecordBytes,
  start: number,
  frame: RecordFrame,
  record: LogRecord,
  id: string | undefined,
): number {
  const { bytes, view } = target;
  const cursor = writing.moveTo(bytes, view, start + recordHeaderBytes);
  cursor.writeU8(flagsOf(record, id, frame.isBatchStart));
  cursor.writeF64(record.publishedAtMs);
  if (record.expiresAtMs !== Infinity) cursor.writeF64(record.expiresAtMs);
  cursor.writeText(record.topic);
  cursor.writeSizedBytes(publishers.encode(record.publisher));
  if (record.inbound !== undefined) {
    cursor.writeText(record.inbound.incarnation);
    cursor.writeVarint(record.inbound.packetId);
  }
  if (id !== undefined) cursor.writeText(id);
  if (record.properties !== undefined) writeProperties(cursor, record.properties);
  writePayload(cursor, record.payload);
  const end = cursor.at;
  sealRecord(target, start, end, frame);
  return end;
}

/** Writes the header of a record whose body is there. */
function sealRecord({ bytes, view }: RecordBytes, start: number, end: number, frame: RecordFrame): void {
  view.setUint32(start + 4, end - start - recordHeaderBytes, true);
  view.setUint32(start + 8, frame.delta, true);
  view.setInt32(start, crc32Of(bytes, start + 4, end, frame.salt), true);
}

/** Copies a record into another segment, where it has another number from the first and another salt. */
export function copyRecordBytes(
  source: { readonly bytes: Buffer; readonly start: number; readonly end: number },
  target: RecordBytes,
  at: number,
  frame: RecordFrame,
): number {
  source.bytes.copy(target.bytes, at, source.start, source.end);
  const end = at + source.end - source.start;
  target.bytes[at + recordHeaderBytes]! |= frame.isBatchStart ? startsBatch : 0;
  sealRecord(target, at, end, frame);
  return end;
}

function flagsOf(record: LogRecord, id: string | undefined, isBatchStart: boolean): number {
  let flags: number = record.qos;
  if (record.retain) flags |= isRetained;
  if (record.properties !== undefined) flags |= hasProperties;
  if (record.inbound !== undefined) flags |= hasInbound;
  if (id !== undefined) flags |= hasId;
  if (isBatchStart) flags |= startsBatch;
  if (record.expiresAtMs !== Infinity) flags |= expires;
  return flags;
}

function writePayload(cursor: ByteCursor, payload: Uint8Array): void {
  if (payload.byteLength > shortPayloadBytes) return cursor.writeBytes(payload);
  for (let index = 0; index < payload.byteLength; index++) cursor.writeU8(payload[index]!);
}

/** Bytes of the record at `start`, with its header. Not checked. */
export function recordSize(view: DataView, start: number): number {
  return recordHeaderBytes + view.getUint32(start + 4, true);
}

/** The record's number less the segment's first. */
export function recordDelta(view: DataView, start: number): number {
  return view.getUint32(start + 8, true);
}

export function isBatchStart(bytes: Uint8Array, start: number): boolean {
  return (bytes[start + recordHeaderBytes]! & startsBatch) !== 0;
}

export function publishedAtMsOf(view: DataView, start: number): number {
  return view.getFloat64(start + recordHeaderBytes + 1, true);
}

/** Whether a whole record stands at `start` and ends by `limit`, as its CRC says. */
export function isRecordAt(
  { bytes, view }: RecordBytes,
  start: number,
  limit: number,
  salt: number,
): boolean {
  if (start + minRecordBytes > limit) return false;
  const size = recordSize(view, start);
  if (size < minRecordBytes || start + size > limit) return false;
  return crc32Of(bytes, start + 4, start + size, salt) === view.getInt32(start, true);
}

const reading = new ByteCursor(Buffer.alloc(0));

/** The topic alone, for a reader that wants few of many. */
export function decodeTopic({ bytes, view }: RecordBytes, start: number): string {
  const cursor = atTopic(bytes, view, start);
  return readTopic(cursor);
}

/** The id of the append; undefined where it had none. */
export function decodeId({ bytes, view }: RecordBytes, start: number): string | undefined {
  const flags = bytes[start + recordHeaderBytes]!;
  if (!(flags & hasId)) return undefined;
  const cursor = atTopic(bytes, view, start);
  cursor.skipSized();
  cursor.skipSized();
  if (flags & hasInbound) {
    cursor.skipSized();
    cursor.readVarint();
  }
  return cursor.readText();
}

/** The payload is a view into the bytes given. Only for bytes whose CRC was checked. */
export function decodeRecord({ bytes, view }: RecordBytes, start: number): LogRecord {
  const end = start + recordSize(view, start);
  const flags = bytes[start + recordHeaderBytes]!;
  const cursor = reading.moveTo(bytes, view, start + recordHeaderBytes + 1);
  const publishedAtMs = cursor.readF64();
  const expiresAtMs = flags & expires ? cursor.readF64() : Infinity;
  const topic = readTopic(cursor);
  const publisherEnd = cursor.readVarint() + cursor.at;
  const publisher = knownPublishers.get(bytes, cursor.at, publisherEnd);
  cursor.at = publisherEnd;
  const inbound =
    flags & hasInbound ? { incarnation: cursor.readText(), packetId: cursor.readVarint() } : undefined;
  if (flags & hasId) cursor.skipSized();
  const properties = flags & hasProperties ? readProperties(cursor) : undefined;
  return {
    topic,
    payload: cursor.readBytes(end - cursor.at),
    qos: (flags & qosMask) as LogRecord["qos"],
    retain: (flags & isRetained) !== 0,
    properties,
    publishedAtMs,
    expiresAtMs,
    publisher,
    inbound,
  };
}

function atTopic(bytes: Buffer, view: DataView, start: number): ByteCursor {
  const timeBytes = bytes[start + recordHeaderBytes]! & expires ? 16 : 8;
  return reading.moveTo(bytes, view, start + recordHeaderBytes + 1 + timeBytes);
}

function readTopic(cursor: ByteCursor): string {
  const end = cursor.readVarint() + cursor.at;
  const topic = knownTopics.get(cursor.bytes, cursor.at, end);
  cursor.at = end;
  return topic;
}
