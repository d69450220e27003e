import type { AppendResult, Seq, StoredRecord } from "../../../core/ports/engine.ts";
import type { Block } from "../segment/block.ts";
import type { Segment } from "../segment/segment.ts";
import { Settlement } from "../settlement.ts";

/** An append that is on its way. */
export class PendingAppend {
  readonly stored: StoredRecord;
  readonly id: string | undefined;
  readonly settlement: Settlement<AppendResult> = new Settlement<AppendResult>();

  constructor(stored: StoredRecord, id: string | undefined) {
    this.stored = stored;
    this.id = id;
  }

  resolve(): void {
    this.settlement.resolve({ shard: this.stored.shard, seq: this.stored.seq, duplicate: false });
  }
}

/** What of a block belongs to a batch, and what the block was before it. */
interface BatchSlice {
  readonly block: Block;
  readonly bytes: Buffer;
  readonly from: number;
  readonly countBefore: number;
  readonly lastSeqBefore: Seq;
  to: number;
}

/** What is written at once and made durable by one flush: all of one segment, one behind the other. */
export class AppendBatch {
  readonly segment: Segment;
  readonly entries: PendingAppend[] = [];
  readonly slices: BatchSlice[] = [];
  /** In the segment's file. */
  readonly position: number;
  bytes = 0;

  constructor(segment: Segment) {
    this.segment = segment;
    this.position = segment.length;
  }

  /** To be called before the block tells of the record. */
  add(block: Block, from: number, to: number): void {
    const last = this.slices.at(-1);
    if (last !== undefined && last.block === block) last.to = to;
    else {
      const { count: countBefore, lastSeq: lastSeqBefore } = block;
      this.slices.push({ block, bytes: block.content!.bytes, from, to, countBefore, lastSeqBefore });
    }
    this.bytes += to - from;
  }

  get chunks(): Buffer[] {
    return this.slices.map(({ bytes, from, to }) => bytes.subarray(from, to));
  }

  /** Takes back from the segment what was never made durable. */
  undo(): void {
    for (const slice of this.slices.toReversed()) {
      const { block, from, countBefore, lastSeqBefore } = slice;
      if (from === 0) this.segment.blocks.splice(this.segment.blocks.indexOf(block), 1);
      block.length = from;
      block.count = countBefore;
      block.lastSeq = lastSeqBefore;
    }
    this.segment.length = this.position;
  }
}
