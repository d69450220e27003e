import { join } from "node:path";
import type { Seq } from "../../../core/ports/engine.ts";
import { type Files, type OpenFile, replaceFile } from "../disk/files.ts";
import { crc32Of } from "../crc32.ts";
import { Block, type BlockContent, indexFrom } from "../segment/block.ts";
import type { BlockLoader } from "../segment/block-loader.ts";
import { copyRecordBytes, publishedAtMsOf, recordDelta, recordSize } from "../segment/record-codec.ts";
import { encodeSegmentIndex } from "../segment/segment-index.ts";
import { encodeSegmentHeader, indexNameOf, type SegmentHeader } from "../segment/segment-header.ts";
import { Segment } from "../segment/segment.ts";

/** What of a segment is still needed. */
export interface KeptPart {
  readonly segment: Segment;
  /** Rising. */
  readonly kept: readonly Seq[];
}

export interface SegmentRewriterOptions {
  readonly files: Files;
  readonly directory: string;
  readonly loader: BlockLoader;
  readonly blockBytes: number;
}

/**
 * Writes what is kept of some segments, one behind the other, into a new one. A crash leaves the old ones or, from the
 * rename on, the new one, which says what it covers: whatever else is there of that is dropped at the next start.
 */
export class SegmentRewriter {
  readonly #options: SegmentRewriterOptions;
  readonly #segment: Segment;
  #file: OpenFile | undefined;
  #bytes: Buffer;
  #view: DataView;
  #used = 0;
  #first: Seq = 0;
  #last: Seq = 0;
  #count = 0;

  constructor(options: SegmentRewriterOptions, header: SegmentHeader) {
    this.#options = options;
    this.#segment = new Segment(options.directory, header);
    this.#bytes = Buffer.allocUnsafeSlow(options.blockBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Resolves when the new segment is on the disk under its name. Rejects with the system's error, nothing changed. */
  async rewrite(parts: readonly KeptPart[]): Promise<Segment> {
    const { files, directory } = this.#options;
    const temporary = `${this.#segment.path}.tmp`;
    try {
      await files.unlink(temporary);
      this.#file = await files.open(temporary, "write");
      await this.#file.write([encodeSegmentHeader(this.#segment.header)], 0);
      for (const part of parts) await this.#copy(part);
      await this.#endBlock();
      await this.#file.flush();
    } catch (error) {
      await this.#file?.close().catch(() => undefined);
      await files.unlink(temporary).catch(() => undefined);
      throw error;
    }
    await this.#file.close();
    const index = join(directory, indexNameOf(this.#segment.name));
    await replaceFile(files, index, encodeSegmentIndex(this.#segment));
    await files.rename(temporary, this.#segment.path);
    await files.flushDirectory(directory);
    return this.#segment;
  }

  async #copy({ segment, kept }: KeptPart): Promise<void> {
    let next = 0;
    for (const block of segment.blocks) {
      const from = next;
      while (next < kept.length && kept[next]! <= block.lastSeq) next++;
      if (next === from) continue;
      const content = await this.#options.loader.load(segment, block, false);
      for (const seq of kept.slice(from, next)) await this.#copyRecord(segment, block, content, seq);
    }
    this.#segment.newestMs = Math.max(this.#segment.newestMs, segment.newestMs);
    this.#segment.hasIds ||= segment.hasIds;
  }

  async #copyRecord(segment: Segment, block: Block, content: BlockContent, seq: Seq): Promise<void> {
    const index = indexFrom(content, block.count, seq - segment.firstSeq);
    const start = content.starts[index];
    if (start === undefined || index >= block.count) return;
    if (recordDelta(content.view, start) !== seq - segment.firstSeq) return;
    const size = recordSize(content.view, start);
    if (this.#used + size > this.#bytes.length) await this.#endBlock(size);
    const frame = { salt: this.#segment.salt, delta: seq - this.#segment.firstSeq, isBatchStart: true };
    const source = { bytes: content.bytes, start, end: start + size };
    copyRecordBytes(source, { bytes: this.#bytes, view: this.#view }, this.#used, frame);
    this.#segment.newestMs = Math.max(this.#segment.newestMs, publishedAtMsOf(content.view, start));
    if (this.#count === 0) this.#first = seq;
    this.#last = seq;
    this.#count += 1;
    this.#used += size;
  }

  /** Writes the block; the next one has room for `bytes` at least. */
  async #endBlock(bytes = 0): Promise<void> {
    const segment = this.#segment;
    if (this.#count > 0) {
      const place = { firstSeq: this.#first, lastSeq: this.#last, offset: segment.length };
      const block = new Block({ ...place, length: this.#used, count: this.#count });
      block.crc = crc32Of(this.#bytes, 0, this.#used, 0);
      segment.blocks.push(block);
      await this.#file!.write([this.#bytes.subarray(0, this.#used)], segment.length);
      segment.length += this.#used;
    }
    this.#used = 0;
    this.#count = 0;
    if (bytes <= this.#bytes.length) return;
    this.#bytes = Buffer.allocUnsafeSlow(bytes);
    this.#view = new DataView(this.#bytes.buffer);
  }
}
