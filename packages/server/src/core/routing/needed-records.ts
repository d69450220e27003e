import type { Seq } from "../ports/engine.ts";

/** Numbers of one block: a bit each. */
const blockBits = 8_192;

/** What the log has to keep: a bit a record where these lie close together, since it may be ten million. */
export class NeededRecords {
  readonly #blocks = new Map<number, Uint32Array<ArrayBuffer>>();
  #size = 0;
  /** The block of the last number: most come in order. */
  #lastKey = -1;
  #lastBlock = new Uint32Array(0);

  get size(): number {
    return this.#size;
  }

  add(seq: Seq): void {
    const at = seq % blockBits;
    const key = (seq - at) / blockBits;
    const block = key === this.#lastKey ? this.#lastBlock : this.#open(key);
    const bit = 1 << (at & 31);
    const word = block[at >>> 5] as number;
    if ((word & bit) !== 0) return;
    block[at >>> 5] = word | bit;
    this.#size += 1;
  }

  #open(key: number): Uint32Array<ArrayBuffer> {
    let block = this.#blocks.get(key);
    if (!block) this.#blocks.set(key, (block = new Uint32Array(blockBits / 32)));
    this.#lastKey = key;
    this.#lastBlock = block;
    return block;
  }

  has(seq: Seq): boolean {
    const at = seq % blockBits;
    const word = this.#blocks.get((seq - at) / blockBits)?.[at >>> 5] ?? 0;
    return (word & (1 << (at & 31))) !== 0;
  }
}
