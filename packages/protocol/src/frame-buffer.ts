const INITIAL_BYTES = 64;
const NO_BYTES = new Uint8Array(0);

/**
 * Collects one packet that comes in pieces. Its memory follows what has come, at most doubled, and never what the
 * packet announces: a peer pays in bytes for the room that it gets.
 */
export class FrameBuffer {
  bytes: Uint8Array = NO_BYTES;
  length = 0;

  /** Takes `source[start, end)`; `limit` is the most that this packet can come to. */
  append(source: Uint8Array, start: number, end: number, limit: number): void {
    const needed = this.length + end - start;
    if (needed > this.bytes.length) this.#grow(needed, limit);
    this.bytes.set(source.subarray(start, end), this.length);
    this.length = needed;
  }

  #grow(needed: number, limit: number): void {
    const capacity = Math.max(needed, Math.min(limit, Math.max(INITIAL_BYTES, this.bytes.length * 2)));
    const grown = new Uint8Array(capacity);
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}
