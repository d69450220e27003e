import type { LogRecord, Seq, StoredRecord } from "../../../core/ports/engine.ts";
import { crc32Of } from "../crc32.ts";
import { Block, type BlockContent } from "../segment/block.ts";
import type { BlockCache } from "../segment/block-cache.ts";
import { encodeRecord } from "../segment/record-codec.ts";
import type { Segment } from "../segment/segment.ts";
import type { AppendBatch } from "./append-batch.ts";

interface OpenContent extends BlockContent {
  starts: Uint32Array;
}

/** Writes records into blocks of memory as they will stand in the segment's file. */
export class AppendEncoder {
  readonly #blockBytes: number;
  readonly #cache: BlockCache;
  #segment: Segment | undefined;
  #block: Block | undefined;
  #content: OpenContent | undefined;

  constructor(options: { blockBytes: number; cache: BlockCache }) {
    this.#blockBytes = options.blockBytes;
    this.#cache = options.cache;
  }

  /** The next record begins a new block. What has been written stays in the cache. */
  closeBlock(): void {
    if (this.#block === undefined || this.#content === undefined) return;
    this.#content.starts = this.#content.starts.slice(0, this.#block.count);
    this.#block.crc = crc32Of(this.#content.bytes, 0, this.#block.length, 0);
    this.#cache.add(this.#block, this.#content);
    this.#block = undefined;
    this.#content = undefined;
  }

  /** `bound`: see `recordBound`. The payload of what is returned is a view into the block. */
  write(
    batch: AppendBatch,
    seq: Seq,
    record: LogRecord,
    options: { readonly id: string | undefined; readonly bound: number; readonly shard: number },
  ): StoredRecord {
    const { segment } = batch;
    const block = this.#room(segment, seq, options.bound);
    const content = this.#content!;
    const start = block.length;
    const frame = {
      salt: segment.salt,
      delta: seq - segment.firstSeq,
      isBatchStart: batch.entries.length === 0,
    };
    const end = encodeRecord(content, start, frame, record, options.id);
    batch.add(block, start, end);
    if (block.count === content.starts.length) content.starts = grown(content.starts);
    content.starts[block.count] = start;
    block.count += 1;
    block.length = end;
    block.lastSeq = seq;
    segment.length += end - start;
    const payloadBytes = record.payload.byteLength;
    const payload = new Uint8Array(content.bytes.buffer, end - payloadBytes, payloadBytes);
    return { shard: options.shard, seq, record: ownRecord(record, payload) };
  }

  #room(segment: Segment, seq: Seq, bound: number): Block {
    const block = this.#block;
    if (
      block !== undefined &&
      this.#segment === segment &&
      block.length + bound <= this.#content!.bytes.length
    )
      return block;
    this.closeBlock();
    return this.#openBlock(segment, seq, bound);
  }

  #openBlock(segment: Segment, seq: Seq, bound: number): Block {
    const bytes = Buffer.allocUnsafeSlow(Math.max(this.#blockBytes, bound));
    const content = { bytes, view: new DataView(bytes.buffer), starts: new Uint32Array(256) };
    const block = new Block({ firstSeq: seq, lastSeq: seq - 1, offset: segment.length, length: 0, count: 0 });
    block.content = content;
    segment.blocks.push(block);
    this.#segment = segment;
    this.#block = block;
    this.#content = content;
    return block;
  }
}

function grown(starts: Uint32Array): Uint32Array {
  const larger = new Uint32Array(starts.length * 2);
  larger.set(starts);
  return larger;
}

/** The caller may change or reuse payload and correlation data: here the log's own take their place. */
function ownRecord(record: LogRecord, payload: Uint8Array): LogRecord {
  const { properties } = record;
  const correlationData = properties?.correlationData;
  return {
    topic: record.topic,
    payload,
    qos: record.qos,
    retain: record.retain,
    properties:
      correlationData === undefined
        ? properties
        : { ...properties, correlationData: correlationData.slice() },
    publishedAtMs: record.publishedAtMs,
    expiresAtMs: record.expiresAtMs,
    publisher: record.publisher,
    inbound: record.inbound,
  };
}
