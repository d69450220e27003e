import type { Seq } from "../ports/engine.ts";
import { OutboxChunk, type QueueSize } from "./outbox-chunk.ts";
import { commonCursor, type ReaderCursor } from "./reader-cursor.ts";
import type { NeededRecords } from "./needed-records.ts";

/**
 * The numbers of the records that match one effective filter, kept while some session that holds the filter is behind.
 * Shared by all of them: a message costs one entry, however many sessions wait for it (semantics.md §2.5).
 * Entries are addressed by an index that never changes; the oldest go by `trim`.
 */
export class Outbox {
  readonly kind = "outbox";
  readonly filter: string;
  /** How many readers hold the filter. */
  readonly readers: Set<OutboxReader> = new Set();
  /** How many of them are behind: with none, nothing is noted. */
  #behind = 0;
  readonly #chunks: OutboxChunk[] = [];
  #start = 0;
  #end = 0;
  /** How many readers ask which messages are the latest of their topics. */
  #topicReaders = 0;
  /** By topic: the index of its latest entry, while somebody asks. */
  #latest: Map<string, number> | undefined;

  constructor(filter: string) {
    this.filter = filter;
  }

  /** The index of the oldest entry. */
  get start(): number {
    return this.#start;
  }

  /** The index that the next entry will get. */
  get end(): number {
    return this.#end;
  }

  /** Of what it costs in memory: how many rows of entries it has. */
  get chunkCount(): number {
    return this.#chunks.length;
  }

  /** Called for each record that matches, in the order of the log. */
  note(seq: Seq, bytes: number, topic: string | undefined): void {
    if (this.#behind === 0) return;
    const noted = this.#topicReaders > 0 ? topic : undefined;
    if (!this.#chunks.at(-1)?.add(seq, bytes, noted)) this.#addChunk(seq).add(seq, bytes, noted);
    this.#end += 1;
    if (noted !== undefined) this.#replace(noted, this.#end - 1);
  }

  at(index: number): Seq {
    const chunk = this.#chunkOf(index);
    if (!chunk || chunk.isHollow) throw new RangeError(`outbox ${this.filter} has no entry ${index}`);
    return chunk.seqAt(index);
  }

  topicAt(index: number): string | undefined {
    return this.#chunkOf(index)?.topicAt(index);
  }

  /** The index of the first entry above `seq`. */
  indexAfter(seq: Seq): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle] as OutboxChunk).firstSeq <= seq) low = middle + 1;
      else high = middle;
    }
    const chunk = this.#chunks[low - 1];
    return Math.max(this.#start, chunk ? chunk.indexAfter(seq) : this.#start);
  }

  /** What the entries from one index up to another are. */
  addSize(from: number, to: number, sum: QueueSize, sign: 1 | -1 = 1): void {
    if (to <= from) return;
    sum.messages += sign * (to - from);
    sum.bytes += sign * (this.#bytesBefore(to) - this.#bytesBefore(from));
  }

  /** Those of them that a later message of their topic has replaced. */
  addReplaced(from: number, to: number, sum: QueueSize, sign: 1 | -1 = 1): void {
    for (let at = this.#positionOf(from); at < this.#chunks.length; at += 1) {
      const chunk = this.#chunks[at] as OutboxChunk;
      if (chunk.start >= to) return;
      if (chunk.replaced.messages === 0) continue;
      const isWhole = chunk.start >= from && chunk.end <= to;
      if (isWhole || chunk.isHollow) {
        sum.messages += sign * chunk.replaced.messages;
        sum.bytes += sign * chunk.replaced.bytes;
        continue;
      }
      for (let index = Math.max(from, chunk.start); index < Math.min(to, chunk.end); index += 1)
        if (this.#isReplaced(chunk, index)) this.addSize(index, index + 1, sum, sign);
    }
  }

  /**
   * Calls `take` with each entry from an index on, until it says that it has enough. Those up to `replacedUpTo` are left
   * out that a later message of their topic has replaced.
   */
  walk(from: number, replacedUpTo: Seq, take: (seq: Seq, index: number) => boolean): void {
    for (let at = this.#positionOf(from); at < this.#chunks.length; at += 1)
      if (!this.#walkChunk(this.#chunks[at] as OutboxChunk, from, replacedUpTo, take)) return;
  }

  #walkChunk(
    chunk: OutboxChunk,
    from: number,
    replacedUpTo: Seq,
    take: (seq: Seq, index: number) => boolean,
  ): boolean {
    if (chunk.isHollow || (chunk.isReplaced && chunk.lastSeq <= replacedUpTo)) return true;
    for (let index = Math.max(from, chunk.start); index < chunk.end; index += 1) {
      const seq = chunk.seqAt(index);
      if (seq <= replacedUpTo && this.#isReplaced(chunk, index)) continue;
      if (!take(seq, index)) return false;
    }
    return true;
  }

  fallBehind(): void {
    this.#behind += 1;
  }

  catchUp(): void {
    this.#behind -= 1;
  }

  /** From now on it is known which entries are the latest of their topics; of the earlier ones it is not. */
  trackTopics(): void {
    this.#topicReaders += 1;
    this.#latest ??= new Map();
  }

  untrackTopics(): void {
    this.#topicReaders -= 1;
    if (this.#topicReaders > 0) return;
    this.#latest = undefined;
    for (const chunk of this.#chunks) chunk.forgetTopics();
  }

  /** Forgets what no reader that is behind needs any longer. */
  trim(): void {
    if (this.#chunks.length === 0) {
      this.#start = this.#end;
      return;
    }
    const behind = this.#readersBehind();
    this.#start = behind.reduce((least, reader) => Math.min(least, reader.index), this.#end);
    const gone = this.#positionOf(this.#start);
    for (const chunk of this.#chunks.slice(0, gone)) this.#forgetTopics(chunk);
    this.#chunks.splice(0, gone);
    if (behind.some(({ cursor }) => cursor.hasDropped)) this.#hollow(commonCursor(behind));
  }

  /** Adds what is still named here to a set, a chunk a step: the log has to keep it. Nothing is to be trimmed meanwhile. */
  *collect(into: NeededRecords): Generator<void, void> {
    if (this.#start === this.#end) return;
    const done = commonCursor(this.#readersBehind());
    const take = (seq: Seq): boolean => {
      if (!done.hasDropped || !done.isDone(seq)) into.add(seq);
      return true;
    };
    for (const chunk of this.#chunks) {
      this.#walkChunk(chunk, this.#start, done.replacedUpTo, take);
      yield;
    }
  }

  #readersBehind(): OutboxReader[] {
    return [...this.readers].filter((reader) => reader.isBehind);
  }

  /** Chunks of which everybody has dropped everything. */
  #hollow(done: ReaderCursor): void {
    const kept: OutboxChunk[] = [];
    for (const chunk of this.#chunks) {
      const isReplaced = chunk.isReplaced && chunk.lastSeq <= done.replacedUpTo;
      if (!chunk.isHollow && (isReplaced || done.isDoneWith(chunk.firstSeq, chunk.lastSeq))) {
        this.#forgetTopics(chunk);
        chunk.hollow();
      }
      const before = kept.at(-1);
      if (chunk.isHollow && before?.isHollow) before.swallow(chunk);
      else kept.push(chunk);
    }
    this.#chunks.splice(0, this.#chunks.length, ...kept);
  }

  #addChunk(seq: Seq): OutboxChunk {
    const chunk = new OutboxChunk(this.#end, seq, this.#chunks.at(-1)?.bytesAfter ?? 0);
    this.#chunks.push(chunk);
    return chunk;
  }

  /** A topic has a new latest entry: the one before is replaced. */
  #replace(topic: string, index: number): void {
    const before = this.#latest?.get(topic);
    this.#latest?.set(topic, index);
    const chunk = before === undefined ? undefined : this.#chunkOf(before);
    if (!chunk || before === undefined || chunk.isHollow) return;
    this.addSize(before, before + 1, chunk.replaced);
  }

  #isReplaced(chunk: OutboxChunk, index: number): boolean {
    const topic = chunk.topicAt(index);
    return topic !== undefined && this.#latest !== undefined && this.#latest.get(topic) !== index;
  }

  #forgetTopics(chunk: OutboxChunk): void {
    if (!this.#latest || chunk.isHollow) return;
    for (let index = chunk.start; index < chunk.end; index += 1) {
      const topic = chunk.topicAt(index);
      if (topic !== undefined && this.#latest.get(topic) === index) this.#latest.delete(topic);
    }
  }

  #bytesBefore(index: number): number {
    if (index === this.#end) return this.#chunks.at(-1)?.bytesAfter ?? 0;
    return this.#chunkOf(index - 1)?.bytesBeforeIndex(index) ?? this.#chunks[0]?.bytesBefore ?? 0;
  }

  #chunkOf(index: number): OutboxChunk | undefined {
    const chunk = this.#chunks[this.#positionOf(index)];
    return chunk && index >= chunk.start ? chunk : undefined;
  }

  /** Of the first chunk that ends behind the index. */
  #positionOf(index: number): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle] as OutboxChunk).end <= index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** One reader's place in one outbox. */
export interface OutboxReader {
  readonly outbox: Outbox;
  /** Where it reads on; meaningful while it is behind. */
  index: number;
  /** What the reader had taken when `index` was last brought after it. */
  skippedTo: Seq;
  isBehind: boolean;
  /** How many of the reader's subscriptions hold the filter. */
  holds: number;
  /** What the reader is done with, in all its outboxes. */
  cursor: ReaderCursor;
}
