import type { Seq } from "../ports/engine.ts";

const chunkBits = 16;
const chunkSize = 2 ** chunkBits;
/** From so many members on a bitmap is smaller than a list. */
const maxListed = 4_096;

/** The members among 65,536 numbers: a sorted list of offsets while they are few, a bit for each number when they are many. */
class Chunk {
  count = 0;
  #offsets: Uint16Array | undefined = new Uint16Array(8);
  #bits: Uint8Array | undefined;

  /** Offsets come rising. */
  add(offset: number): void {
    if (this.#offsets && this.count === maxListed) this.#toBits(this.#offsets);
    if (this.#bits) this.#bits[offset >> 3]! |= 1 << (offset & 7);
    else this.#append(offset);
    this.count += 1;
  }

  has(offset: number): boolean {
    if (this.#bits) return (this.#bits[offset >> 3]! & (1 << (offset & 7))) !== 0;
    const offsets = this.#offsets!;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (offsets[middle]! < offset) low = middle + 1;
      else high = middle;
    }
    return low < this.count && offsets[low] === offset;
  }

  #append(offset: number): void {
    if (this.count === this.#offsets!.length) {
      const grown = new Uint16Array(this.count * 2);
      grown.set(this.#offsets!);
      this.#offsets = grown;
    }
    this.#offsets![this.count] = offset;
  }

  #toBits(offsets: Uint16Array): void {
    this.#bits = new Uint8Array(chunkSize / 8);
    for (const offset of offsets) this.#bits[offset >> 3]! |= 1 << (offset & 7);
    this.#offsets = undefined;
  }
}

/**
 * Numbers of records, added rising: ten millions that follow each other take about a megabyte, and each that stands
 * alone a few bytes.
 */
export class SeqSet {
  readonly #chunks = new Map<number, Chunk>();
  #last = -1;
  #chunk: Chunk | undefined;

  /** @throws {RangeError} if the number is not above all before */
  add(seq: Seq): void {
    if (seq <= this.#last) throw new RangeError(`${seq} comes after ${this.#last}`);
    const key = keyOf(seq);
    if (!this.#chunk || key !== keyOf(this.#last)) {
      this.#chunk = new Chunk();
      this.#chunks.set(key, this.#chunk);
    }
    this.#last = seq;
    this.#chunk.add(seq % chunkSize);
  }

  has(seq: Seq): boolean {
    return this.#chunks.get(keyOf(seq))?.has(seq % chunkSize) ?? false;
  }

  /** Forgets numbers up to this one, as far as whole chunks go: what is left of them may still be found. */
  forgetUpTo(seq: Seq): void {
    for (const key of this.#chunks.keys()) {
      if ((key + 1) * chunkSize > seq + 1) return;
      this.#chunks.delete(key);
      if (key === keyOf(this.#last)) this.#chunk = undefined;
    }
  }
}

function keyOf(seq: Seq): number {
  return Math.floor(seq / chunkSize);
}
