import { crc32Of } from "../crc32.ts";
import type { DamageLog } from "../damage-log.ts";
import type { Block, BlockContent } from "./block.ts";
import type { BlockCache } from "./block-cache.ts";
import type { ReadHandles } from "./read-handles.ts";
import { recordDelta, recordSize } from "./record-codec.ts";
import { scanRecords, type Scan } from "./record-scan.ts";
import type { Segment } from "./segment.ts";

/** Brings blocks into memory, checks every record, and sets aside what is damaged. */
export class BlockLoader {
  readonly handles: ReadHandles;
  readonly cache: BlockCache;
  readonly #damage: DamageLog;
  readonly #loading = new Map<Block, Promise<BlockContent>>();

  constructor(options: { handles: ReadHandles; cache: BlockCache; damage: DamageLog }) {
    this.handles = options.handles;
    this.cache = options.cache;
    this.#damage = options.damage;
  }

  /** `isKept`: it will be asked for again. Rejects with the system's error. */
  load(segment: Segment, block: Block, isKept: boolean): BlockContent | Promise<BlockContent> {
    if (block.content !== undefined) {
      block.isWarm ||= isKept;
      return block.content;
    }
    if (!isKept) return this.#read(segment, block);
    const loading = this.#loading.get(block);
    if (loading !== undefined) return loading;
    const content = this.#read(segment, block)
      .then((read) => {
        this.cache.add(block, read);
        return read;
      })
      .finally(() => this.#loading.delete(block));
    this.#loading.set(block, content);
    return content;
  }

  async #read(segment: Segment, block: Block): Promise<BlockContent> {
    const bytes = Buffer.allocUnsafeSlow(block.length);
    const length = await this.handles.with(segment.path, (file) => file.read(bytes, block.offset));
    if (length < bytes.length) bytes.fill(0, length);
    const content = { bytes, view: new DataView(bytes.buffer), starts: new Uint32Array(block.count) };
    if (block.crc !== undefined && crc32Of(bytes, 0, bytes.length, 0) === block.crc) {
      fillStarts(content);
      return content;
    }
    const scan = scanRecords(content, { from: 0, to: bytes.length, salt: segment.salt });
    if (scan.damaged.length > 0) this.#reportDamage(segment, block, content, scan);
    block.count = scan.starts.length;
    return { ...content, starts: Uint32Array.from(scan.starts) };
  }

  #reportDamage(segment: Segment, block: Block, content: BlockContent, { starts, damaged }: Scan): void {
    const seqAt = (start: number): number => segment.firstSeq + recordDelta(content.view, start);
    for (const { start, end, index } of damaged) {
      const before = starts[index - 1];
      const after = starts[index];
      const from = before === undefined ? block.firstSeq : seqAt(before) + 1;
      const to = after === undefined ? block.lastSeq : seqAt(after) - 1;
      const place = { path: segment.path, offset: block.offset + start, lost: { from, to } };
      void this.#damage.note(place, content.bytes.subarray(start, end));
    }
  }
}

/** Of a block that is known to be sound. */
function fillStarts({ view, starts }: BlockContent): void {
  let at = 0;
  for (let index = 0; index < starts.length; index++) {
    starts[index] = at;
    at += recordSize(view, at);
  }
}
