import type { Seq } from "../ports/engine.ts";

/** Entries of a chunk: as many as one walk of them costs next to nothing. */
const chunkEntries = 256;
/** Offsets and sums of a full chunk are kept in 32 bits. */
const max32 = 4_294_967_295;

/** How many messages, and what they are in bytes: payloads and properties. */
export interface QueueSize {
  messages: number;
  bytes: number;
}

/** A row of entries of an outbox. Once it is full an entry costs 8 bytes, exact number and size included. */
export class OutboxChunk {
  /** The index of its first entry. */
  readonly start: number;
  readonly firstSeq: Seq;
  /** Of all entries before it. */
  readonly bytesBefore: number;
  /** Of its entries that a later message of their topic has replaced. */
  readonly replaced: QueueSize = { messages: 0, bytes: 0 };
  #length = 0;
  #lastSeq: Seq;
  #bytes = 0;
  /** While it fills: numbers above `firstSeq`, and bytes up to and with each entry. */
  #offsets: number[] = [];
  #sums: number[] = [];
  /** Once it is full: the same, one behind the other. */
  #sealed: Uint32Array | undefined;
  #topics: (string | undefined)[] | undefined;
  #isHollow = false;

  constructor(start: number, firstSeq: Seq, bytesBefore: number) {
    this.start = start;
    this.firstSeq = firstSeq;
    this.#lastSeq = firstSeq;
    this.bytesBefore = bytesBefore;
  }

  /** The index behind its last entry. */
  get end(): number {
    return this.start + this.#length;
  }

  get lastSeq(): Seq {
    return this.#lastSeq;
  }

  get bytesAfter(): number {
    return this.bytesBefore + this.#bytes;
  }

  /** Nobody needs its entries any longer: it only counts them. */
  get isHollow(): boolean {
    return this.#isHollow;
  }

  get isReplaced(): boolean {
    return this.replaced.messages === this.#length;
  }

  /** False: there is no room, the next chunk takes it. */
  add(seq: Seq, bytes: number, topic: string | undefined): boolean {
    const isFull = this.#length >= chunkEntries || this.#sealed !== undefined || this.#isHollow;
    if (isFull || seq - this.firstSeq > max32 || this.#bytes + bytes > max32) return false;
    this.#bytes += bytes;
    this.#addEntry(seq - this.firstSeq, this.#bytes);
    if (topic !== undefined) (this.#topics ??= [])[this.#length] = topic;
    this.#lastSeq = seq;
    this.#length += 1;
    if (this.#length === chunkEntries) this.#seal();
    return true;
  }

  /** An array that grew by pushing has room for 17, and many outboxes have one entry. */
  #addEntry(offset: number, sum: number): void {
    if (this.#length === 0) {
      this.#offsets = [offset];
      this.#sums = [sum];
    } else {
      this.#offsets.push(offset);
      this.#sums.push(sum);
    }
  }

  seqAt(index: number): Seq {
    const at = index - this.start;
    return this.firstSeq + ((this.#sealed ? this.#sealed[at] : this.#offsets[at]) as number);
  }

  topicAt(index: number): string | undefined {
    return this.#topics?.[index - this.start];
  }

  /** Of all entries before that one, this chunk's and earlier ones'. */
  bytesBeforeIndex(index: number): number {
    const before = index - this.start - 1;
    if (before < 0) return this.bytesBefore;
    if (before >= this.#length - 1 || this.#isHollow) return this.bytesAfter;
    const sum = this.#sealed ? this.#sealed[this.#length + before] : this.#sums[before];
    return this.bytesBefore + (sum as number);
  }

  /** The index of the first entry above `seq`. */
  indexAfter(seq: Seq): number {
    if (seq < this.firstSeq) return this.start;
    if (seq >= this.#lastSeq) return this.end;
    if (this.#isHollow) return this.start;
    let low = this.start;
    let high = this.end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.seqAt(middle) <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Nobody asks any longer which entries are the latest. */
  forgetTopics(): void {
    this.#topics = undefined;
    this.replaced.messages = 0;
    this.replaced.bytes = 0;
  }

  /** Gives up the entries, not their count. */
  hollow(): void {
    this.#isHollow = true;
    this.#offsets = [];
    this.#sums = [];
    this.#sealed = undefined;
    this.#topics = undefined;
  }

  /** Takes the next chunk in, both being hollow. */
  swallow(next: OutboxChunk): void {
    this.#length += next.end - next.start;
    this.#lastSeq = next.lastSeq;
    this.#bytes += next.bytesAfter - next.bytesBefore;
    this.replaced.messages += next.replaced.messages;
    this.replaced.bytes += next.replaced.bytes;
  }

  #seal(): void {
    const sealed = new Uint32Array(this.#length * 2);
    sealed.set(this.#offsets, 0);
    sealed.set(this.#sums, this.#length);
    this.#sealed = sealed;
    this.#offsets = [];
    this.#sums = [];
  }
}
