/**
 * What was decoded of late, by its bytes: topics and publishers come again and again, and comparing bytes is cheaper
 * than making a string. One slot per hash; the last one wins.
 */
export class DecodedCache<T> {
  readonly #slots: ({ readonly bytes: Uint8Array; readonly value: T } | undefined)[];
  readonly #mask: number;
  readonly #decode: (bytes: Buffer, start: number, end: number) => T;

  /** `slots` is a power of two. */
  constructor(slots: number, decode: (bytes: Buffer, start: number, end: number) => T) {
    this.#slots = new Array<undefined>(slots).fill(undefined);
    this.#mask = slots - 1;
    this.#decode = decode;
  }

  get(bytes: Buffer, start: number, end: number): T {
    const slot = hashOf(bytes, start, end) & this.#mask;
    const entry = this.#slots[slot];
    if (entry !== undefined && isEqual(entry.bytes, bytes, start, end)) return entry.value;
    const value = this.#decode(bytes, start, end);
    this.#slots[slot] = { bytes: new Uint8Array(bytes.subarray(start, end)), value };
    return value;
  }
}

function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = end - start;
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0;
  return hash ^ (hash >>> 15);
}

function isEqual(left: Uint8Array, bytes: Buffer, start: number, end: number): boolean {
  if (left.byteLength !== end - start) return false;
  for (let index = 0, at = start; at < end; index++, at++) if (left[index] !== bytes[at]) return false;
  return true;
}
