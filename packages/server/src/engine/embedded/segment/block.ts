import type { Seq } from "../../../core/ports/engine.ts";
import { recordDelta, type RecordBytes } from "./record-codec.ts";

/** What of a block is in memory: its bytes, and where its records start in them. */
export interface BlockContent extends RecordBytes {
  /** Rising, and so are the records' numbers; `count` of the block are in use. */
  readonly starts: Uint32Array;
}

/** A stretch of a segment, about 64 KiB: the unit of the index, of reading and of the cache. */
export class Block {
  readonly firstSeq: Seq;
  /** In the file. */
  readonly offset: number;
  lastSeq: Seq;
  length: number;
  count: number;
  content: BlockContent | undefined = undefined;
  /** CRC-32 of the whole block, where it is known: one native call instead of one check for each record. */
  crc: number | undefined = undefined;
  /** Used since the cache last looked. */
  isWarm = false;

  constructor(place: { firstSeq: Seq; lastSeq: Seq; offset: number; length: number; count: number }) {
    this.firstSeq = place.firstSeq;
    this.lastSeq = place.lastSeq;
    this.offset = place.offset;
    this.length = place.length;
    this.count = place.count;
  }
}

/** The index of the first record that is not below `delta`; `count` where all are. */
export function indexFrom(content: BlockContent, count: number, delta: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (recordDelta(content.view, content.starts[middle]!) < delta) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The last of the items that does not begin behind `seq`; -1 where all do. */
export function lastNotAfter(items: readonly { readonly firstSeq: Seq }[], seq: Seq): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (items[middle]!.firstSeq <= seq) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
