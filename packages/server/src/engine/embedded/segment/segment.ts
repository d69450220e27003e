import { join } from "node:path";
import type { Seq } from "../../../core/ports/engine.ts";
import { lastNotAfter, type Block, type BlockContent } from "./block.ts";
import { headerBytes, saltOf, segmentName, type SegmentHeader } from "./segment-header.ts";

/** One file of a tenant's log as it is known in memory: where its blocks are, and what they tell in sum. */
export class Segment {
  readonly header: SegmentHeader;
  readonly name: string;
  readonly path: string;
  readonly salt: number;
  readonly dataStart: number;
  readonly blocks: Block[] = [];
  /** Bytes that records were given places in, durable or not yet. */
  length: number;
  newestMs = 0;
  hasIds = false;

  constructor(directory: string, header: SegmentHeader) {
    this.header = header;
    this.name = segmentName(header);
    this.path = join(directory, this.name);
    this.salt = saltOf(header);
    this.dataStart = headerBytes(header.tenant);
    this.length = this.dataStart;
  }

  get firstSeq(): Seq {
    return this.header.firstSeq;
  }

  /** The last number in it, or the one before its first where it is empty. */
  get lastSeq(): Seq {
    return this.blocks.at(-1)?.lastSeq ?? this.header.firstSeq - 1;
  }

  /** Up to here there is nothing in another segment. */
  get endSeq(): Seq {
    return Math.max(this.lastSeq, this.header.coveredTo);
  }

  get count(): number {
    let count = 0;
    for (const block of this.blocks) count += block.count;
    return count;
  }

  /** The block that holds the first number that is not below `seq`. */
  blockFrom(seq: Seq): Block | undefined {
    const index = lastNotAfter(this.blocks, seq);
    const block = this.blocks[index];
    return block !== undefined && block.lastSeq >= seq ? block : this.blocks[index + 1];
  }
}

/** A block in its segment, with its bytes. */
export interface LoadedBlock {
  readonly segment: Segment;
  readonly block: Block;
  readonly content: BlockContent;
}
