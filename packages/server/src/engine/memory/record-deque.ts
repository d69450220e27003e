import type { Seq } from "../../core/ports/engine.ts";
import { chunkRecords, RecordChunk, type LogEntry } from "./record-chunk.ts";
import { recordBytes, unshareRecord } from "./record-copy.ts";

/** How many new records one `release` asks for, and how many of those that earlier calls kept. */
const releasedRecords = 65_536;
const recheckedRecords = 1_024;

/** The records of one shard, by number: adding, finding and dropping one costs the same however many there are. */
export class RecordDeque {
  /** In rising order; empty ones are taken out, which moves the rest at most once for 1,024 records. */
  readonly #chunks: RecordChunk[] = [];
  #head: Seq = 0;
  #bytes = 0;
  /** Below this number each record has been asked for by some `release`. */
  #released: Seq = 1;
  #recheckFrom: Seq = 1;

  get bytes(): number {
    return this.#bytes;
  }

  /** The highest number that was added. */
  get head(): Seq {
    return this.#head;
  }

  /** The lowest number that is there; one above `head` where there is none. */
  get first(): Seq {
    return this.firstFrom(1)?.seq ?? this.#head + 1;
  }

  /** Numbers rise; some may be left out. */
  add(entry: LogEntry): void {
    const index = chunkOf(entry.seq);
    let chunk = this.#chunks.at(-1);
    if (chunk?.index !== index) {
      chunk?.compact();
      chunk = new RecordChunk(index);
      this.#chunks.push(chunk);
    }
    chunk.add(entry);
    this.#head = entry.seq;
    this.#bytes += recordBytes(entry.record);
  }

  get(seq: Seq): LogEntry | undefined {
    return this.#chunks[this.#placeOf(chunkOf(seq))]?.get(seq);
  }

  /** The first record with that number or a higher one. */
  firstFrom(seq: Seq): LogEntry | undefined {
    const place = this.#placeOf(chunkOf(seq));
    return this.#chunks[place]?.firstFrom(seq) ?? this.#chunks[place + 1]?.firstFrom(seq);
  }

  /** Drops the oldest record; false where there is none. */
  evict(): boolean {
    const entry = this.firstFrom(1);
    if (entry === undefined) return false;
    this.#drop(entry);
    return true;
  }

  /**
   * Drops what `keep` does not name below `before`. Each record is asked for once when `before` passes it (at most
   * 65,536 a call, the rest at the next), and what was kept then is asked for again in rounds, at most 1,024 a call: a
   * call costs what is new plus that bound, however much is kept, and what `keep` ceases to name goes after some calls.
   */
  release(before: Seq, keep: (seq: Seq) => boolean): void {
    const from = this.#released;
    this.#recheck(Math.min(before, from), keep);
    if (before <= from) return;
    this.#released = Math.min(this.#sweep(from, before, keep, releasedRecords), this.#head + 1);
  }

  #recheck(before: Seq, keep: (seq: Seq) => boolean): void {
    const reached = this.#sweep(this.#recheckFrom, before, keep, recheckedRecords);
    this.#recheckFrom = reached < before ? reached : 1;
  }

  /** Returns the number at which it stopped, because of `before` or after `budget` records. */
  #sweep(from: Seq, before: Seq, keep: (seq: Seq) => boolean, budget: number): Seq {
    let asked = 0;
    let entry = this.firstFrom(from);
    while (entry !== undefined && entry.seq < before) {
      if (asked === budget) return entry.seq;
      asked += 1;
      if (keep(entry.seq)) entry.record = unshareRecord(entry.record);
      else this.#drop(entry);
      entry = this.firstFrom(entry.seq + 1);
    }
    return before;
  }

  #drop(entry: LogEntry): void {
    const place = this.#placeOf(chunkOf(entry.seq));
    const chunk = this.#chunks[place]!;
    chunk.remove(entry.seq);
    this.#bytes -= recordBytes(entry.record);
    if (chunk.count === 0) this.#chunks.splice(place, 1);
    else if (place < this.#chunks.length - 1) chunk.compact();
  }

  /** Of the first chunk with that index or a higher one: where all are there at once, else by halving. */
  #placeOf(index: number): number {
    const chunks = this.#chunks;
    const guess = index - (chunks[0]?.index ?? 0);
    if (guess <= 0) return 0;
    if (chunks[guess]?.index === index) return guess;
    let low = 0;
    let high = Math.min(chunks.length, guess);
    while (low < high) {
      const middle = (low + high) >> 1;
      if (chunks[middle]!.index < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function chunkOf(seq: Seq): number {
  return Math.floor(seq / chunkRecords);
}
