/** Sizes of slabs in bytes: a turn's bytes of most connections fit into the smallest, and many of those into a cache. */
const SLAB_SIZES = [256, 2_048, 16_384, 65_536] as const;
/** A larger slab would not make a write cheaper. */
export const MAX_SLAB_BYTES = 65_536;
const MAX_IDLE_BYTES_PER_SIZE = 4 * 1_048_576;

/** Write buffers that connections borrow for a turn, so that an idle connection holds none. */
export class SlabPool {
  readonly #idle: readonly Buffer[][] = SLAB_SIZES.map(() => []);

  /** A slab of at least `size` bytes with arbitrary content. Above MAX_SLAB_BYTES it is made to measure. */
  take(size: number): Buffer {
    const index = sizeIndex(size);
    const slabSize = SLAB_SIZES[index];
    if (slabSize === undefined) return Buffer.allocUnsafeSlow(size);
    return this.#idle[index]!.pop() ?? Buffer.allocUnsafe(slabSize);
  }

  /** Takes a slab back. Nobody may look at it afterwards. */
  giveBack(slab: Buffer): void {
    const index = sizeIndex(slab.length);
    const idle = this.#idle[index];
    if (idle === undefined || slab.length !== SLAB_SIZES[index]) return;
    if (idle.length * slab.length < MAX_IDLE_BYTES_PER_SIZE) idle.push(slab);
  }

  /** Bytes that wait for their next use. */
  get idleBytes(): number {
    return this.#idle.reduce((sum, slabs, index) => sum + slabs.length * SLAB_SIZES[index]!, 0);
  }
}

function sizeIndex(size: number): number {
  if (size <= 256) return 0;
  if (size <= 2_048) return 1;
  return size <= 16_384 ? 2 : size <= 65_536 ? 3 : 4;
}
