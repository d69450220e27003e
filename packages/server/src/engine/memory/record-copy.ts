import type { MessageProperties } from "@weir/protocol";
import type { LogRecord } from "../../core/ports/engine.ts";

/** Longer payloads get a buffer of their own; a share of a slab costs a third of that to make and to collect. */
const sharedBytes = 4_096;
const slabBytes = 65_536;
/** What a record costs besides its topic, payload and properties (measured with Node 24). */
const recordOverheadBytes = 400;

let slab = new ArrayBuffer(slabBytes);
let slabUsed = 0;

/** Copies what the caller may change or reuse: payload and correlation data are often views of a read buffer. */
export function copyRecord(record: LogRecord): LogRecord {
  return {
    topic: record.topic,
    payload: copyBytes(record.payload),
    qos: record.qos,
    retain: record.retain,
    properties: record.properties === undefined ? undefined : copyProperties(record.properties),
    publishedAtMs: record.publishedAtMs,
    expiresAtMs: record.expiresAtMs,
    publisher: record.publisher,
    inbound: record.inbound,
  };
}

/** The same record if nothing else is kept alive by it, else one with a buffer of its own. */
export function unshareRecord(record: LogRecord): LogRecord {
  const { payload } = record;
  return payload.buffer.byteLength > payload.byteLength ? { ...record, payload: payload.slice() } : record;
}

/** About what the record occupies in memory. */
export function recordBytes(record: LogRecord): number {
  const bytes = recordOverheadBytes + record.topic.length + record.payload.byteLength;
  return record.properties === undefined ? bytes : bytes + propertiesBytes(record.properties);
}

function copyBytes(bytes: Uint8Array): Uint8Array {
  const length = bytes.byteLength;
  const copied = length > sharedBytes ? new Uint8Array(length) : shareOfSlab(length);
  copied.set(bytes);
  return copied;
}

function shareOfSlab(length: number): Uint8Array {
  if (slabUsed + length > slabBytes) {
    slab = new ArrayBuffer(slabBytes);
    slabUsed = 0;
  }
  const share = new Uint8Array(slab, slabUsed, length);
  slabUsed += length;
  return share;
}

function copyProperties(properties: MessageProperties): MessageProperties {
  const { correlationData } = properties;
  return correlationData === undefined
    ? properties
    : { ...properties, correlationData: correlationData.slice() };
}

function propertiesBytes(properties: MessageProperties): number {
  let bytes = 100 + (properties.contentType?.length ?? 0) + (properties.responseTopic?.length ?? 0);
  bytes += properties.correlationData?.byteLength ?? 0;
  for (const [name, value] of properties.userProperties ?? []) bytes += 64 + name.length + value.length;
  return bytes;
}
