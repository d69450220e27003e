import type { Block, BlockContent } from "./block.ts";

/** Blocks whose bytes are in memory, up to a number of bytes. What was used since its last turn gets another one. */
export class BlockCache {
  readonly #maxBytes: number;
  readonly #queue: (Block | undefined)[] = [];
  #next = 0;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The block's content stays until there are too many. */
  add(block: Block, content: BlockContent): void {
    block.content = content;
    this.#bytes += content.bytes.length;
    this.#queue.push(block);
    while (this.#bytes > this.#maxBytes && this.#next < this.#queue.length) this.#turn();
    if (this.#next > 1_024) this.#compact();
  }

  #turn(): void {
    const block = this.#queue[this.#next]!;
    this.#queue[this.#next] = undefined;
    this.#next += 1;
    if (block.isWarm) {
      block.isWarm = false;
      this.#queue.push(block);
      return;
    }
    this.#bytes -= block.content?.bytes.length ?? 0;
    block.content = undefined;
  }

  #compact(): void {
    this.#queue.splice(0, this.#next);
    this.#next = 0;
  }
}
