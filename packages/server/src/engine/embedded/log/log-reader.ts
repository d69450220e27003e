import { topicMatches } from "@weir/protocol";
import type { Clock } from "../../../core/ports/clock.ts";
import { EngineError, type Seq, type StoredRecord } from "../../../core/ports/engine.ts";
import { type Block, type BlockContent, indexFrom, lastNotAfter } from "../segment/block.ts";
import type { BlockLoader } from "../segment/block-loader.ts";
import { decodeId, decodeRecord, decodeTopic, recordDelta } from "../segment/record-codec.ts";
import type { LoadedBlock, Segment } from "../segment/segment.ts";

/** How many records one turn of the event loop looks at. */
const sliceRecords = 1_024;
/** Blocks that a scan asks the disk for ahead of itself. */
const readAhead = 4;
/** Blocks that one round of a fetch has in memory at most. */
const fetchBlocks = 32;

export interface LogReaderOptions {
  readonly clock: Clock;
  readonly loader: BlockLoader;
  readonly shard: number;
  /** Rising, not overlapping. */
  readonly segments: readonly Segment[];
  /** The last record that may be seen. */
  shown(): Seq;
}

export interface RecordRange {
  readonly from: Seq;
  /** Up to and including. */
  readonly to: Seq;
  readonly limit?: number;
  readonly filters?: readonly string[] | undefined;
  readonly signal?: { readonly aborted: boolean } | undefined;
}

interface Place {
  readonly segment: Segment;
  readonly block: Block;
}

interface LoadingBlock {
  readonly segment: Segment;
  readonly block: Block;
  readonly content: BlockContent | Promise<BlockContent>;
}

/** Reads what is durable, from memory where it is there, else from the disk. */
export class LogReader {
  readonly #options: LogReaderOptions;

  constructor(options: LogReaderOptions) {
    this.#options = options;
  }

  /** The lowest number that may still be there; undefined where there is none. */
  get first(): Seq | undefined {
    for (const { blocks } of this.#options.segments) if (blocks.length > 0) return blocks[0]!.firstSeq;
    return undefined;
  }

  /** Never more than a slice at once; a turn of the event loop lies between the slices. */
  async *read(range: RecordRange): AsyncGenerator<readonly StoredRecord[]> {
    const wants = wantedTopics(range.filters);
    let left = range.limit ?? Infinity;
    let looked = 0;
    for await (const loaded of this.#blocks(range.from, range.to)) {
      let index = indexFrom(loaded.content, countOf(loaded), range.from - loaded.segment.firstSeq);
      while (index < countOf(loaded)) {
        if (left <= 0 || range.signal?.aborted === true) return;
        const most = Math.min(left, sliceRecords - looked);
        const slice = this.#slice(loaded, { ...range, wants, index, most });
        looked += slice.looked;
        index = slice.next;
        left -= slice.records.length;
        if (slice.records.length > 0) yield slice.records;
        if (looked >= sliceRecords) {
          looked = 0;
          await this.#turn();
        }
      }
    }
  }

  /** In the order asked for. */
  async fetch(seqs: readonly Seq[]): Promise<readonly StoredRecord[]> {
    const found: StoredRecord[] = [];
    for (let from = 0; from < seqs.length;) from = await this.#fetchRound(seqs, from, found);
    return found;
  }

  /** The number under which the id was appended; looks at everything, the newest first. */
  async findId(id: string): Promise<Seq | undefined> {
    for (const segment of this.#options.segments.toReversed()) {
      if (!segment.hasIds) continue;
      for (const block of segment.blocks.toReversed()) {
        const content = await this.#load(segment, block, false);
        const index = content.starts
          .subarray(0, block.count)
          .findLastIndex((start) => decodeId(content, start) === id);
        if (index < 0) continue;
        const seq = segment.firstSeq + recordDelta(content.view, content.starts[index]!);
        if (seq <= this.#options.shown()) return seq;
      }
      await this.#turn();
    }
    return undefined;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.soon(resolve));
  }

  async #load(segment: Segment, block: Block, isKept: boolean): Promise<BlockContent> {
    try {
      return await this.#options.loader.load(segment, block, isKept);
    } catch (error) {
      throw new EngineError("unavailable", `the log could not be read: ${String(error)}`);
    }
  }

  /** Block by block, the next ones on their way meanwhile. */
  async *#blocks(from: Seq, to: Seq): AsyncGenerator<LoadedBlock> {
    const ahead: LoadingBlock[] = [];
    let next = from;
    for (;;) {
      while (ahead.length < readAhead && next <= to) {
        const place = this.#placeFrom(next);
        if (place === undefined || place.block.firstSeq > to) break;
        next = place.block.lastSeq + 1;
        const content = this.#options.loader.load(place.segment, place.block, false);
        if (content instanceof Promise) content.catch(() => undefined);
        ahead.push({ ...place, content });
      }
      const loading = ahead.shift();
      if (loading === undefined) return;
      const { segment, block, content } = loading;
      yield { segment, block, content: await this.#awaited(content) };
    }
  }

  async #awaited(content: BlockContent | Promise<BlockContent>): Promise<BlockContent> {
    try {
      return await content;
    } catch (error) {
      throw new EngineError("unavailable", `the log could not be read: ${String(error)}`);
    }
  }

  #placeFrom(seq: Seq): Place | undefined {
    const { segments } = this.#options;
    for (let index = Math.max(0, lastNotAfter(segments, seq)); index < segments.length; index++) {
      const segment = segments[index]!;
      const block = segment.blockFrom(seq);
      if (block !== undefined) return { segment, block };
    }
    return undefined;
  }

  #slice(
    loaded: LoadedBlock,
    range: RecordRange & {
      readonly wants: ((topic: string) => boolean) | undefined;
      readonly index: number;
      readonly most: number;
    },
  ): { records: StoredRecord[]; next: number; looked: number } {
    const { segment, content } = loaded;
    const { shard } = this.#options;
    const count = countOf(loaded);
    const records: StoredRecord[] = [];
    let index = range.index;
    for (; index < count && index - range.index < range.most; index++) {
      const start = content.starts[index]!;
      const seq = segment.firstSeq + recordDelta(content.view, start);
      if (seq > range.to) return { records, next: count, looked: index - range.index };
      if (range.wants !== undefined && !range.wants(decodeTopic(content, start))) continue;
      records.push({ shard, seq, record: decodeRecord(content, start) });
    }
    return { records, next: index, looked: index - range.index };
  }

  async #fetchRound(seqs: readonly Seq[], from: number, found: StoredRecord[]): Promise<number> {
    const places: { readonly seq: Seq; readonly place: Place }[] = [];
    const wanted = new Map<Block, { segment: Segment; records: number }>();
    const shown = this.#options.shown();
    let next = from;
    for (; next < seqs.length && wanted.size < fetchBlocks && next - from < sliceRecords; next++) {
      const seq = seqs[next]!;
      const place = seq > shown ? undefined : this.#placeFrom(seq);
      if (place === undefined || place.block.firstSeq > seq) continue;
      places.push({ seq, place });
      const known = wanted.get(place.block);
      if (known === undefined) wanted.set(place.block, { segment: place.segment, records: 1 });
      else known.records += 1;
    }
    const contents = await this.#loadAll(wanted);
    for (const { seq, place } of places) {
      const content = contents.get(place.block)!;
      const stored = this.#find(seq, place, content);
      if (stored === undefined) continue;
      const isFew = wanted.get(place.block)!.records * 4 < place.block.count;
      found.push(isFew ? withOwnPayload(stored) : stored);
    }
    if (next < seqs.length) await this.#turn();
    return next;
  }

  async #loadAll(wanted: ReadonlyMap<Block, { segment: Segment }>): Promise<Map<Block, BlockContent>> {
    const contents = new Map<Block, BlockContent>();
    await Promise.all(
      [...wanted].map(async ([block, { segment }]) => {
        contents.set(block, await this.#load(segment, block, true));
      }),
    );
    return contents;
  }

  #find(seq: Seq, { segment, block }: Place, content: BlockContent): StoredRecord | undefined {
    const delta = seq - segment.firstSeq;
    const index = indexFrom(content, Math.min(block.count, content.starts.length), delta);
    const start = content.starts[index];
    if (index >= block.count || start === undefined || recordDelta(content.view, start) !== delta)
      return undefined;
    return { shard: this.#options.shard, seq, record: decodeRecord(content, start) };
  }
}

function countOf({ block, content }: LoadedBlock): number {
  return Math.min(block.count, content.starts.length);
}

/** A view would keep a whole block alive for one record. */
function withOwnPayload(stored: StoredRecord): StoredRecord {
  return { ...stored, record: { ...stored.record, payload: stored.record.payload.slice() } };
}

/** Remembers the answers for topics: they come again and again. */
function wantedTopics(filters: readonly string[] | undefined): ((topic: string) => boolean) | undefined {
  if (filters === undefined) return undefined;
  const answers = new Map<string, boolean>();
  return (topic) => {
    let answer = answers.get(topic);
    if (answer === undefined) {
      answer = filters.some((filter) => topicMatches(filter, topic));
      if (answers.size >= 10_000) answers.clear();
      answers.set(topic, answer);
    }
    return answer;
  };
}
