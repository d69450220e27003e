import { malformed } from "./protocol-error.ts";
import { HAS_FORBIDDEN, scanText } from "./text-scan.ts";
import type { TextCodec } from "./text-codec.ts";

const NO_BYTES = new Uint8Array(0);

/** How many entries of a kind one packet may have: each costs the receiver far more than its bytes. */
export interface ListBounds {
  readonly maxUserProperties: number;
  readonly maxTopicFilters: number;
}

const UNBOUNDED: ListBounds = { maxUserProperties: Infinity, maxTopicFilters: Infinity };

/**
 * Reads the fields of one packet and never looks beyond its end: every read that would is refused as malformed.
 * One reader serves many connections in turn, so that none holds one and no packet allocates one.
 */
export class Reader {
  bytes: Uint8Array = NO_BYTES;
  offset = 0;
  end = 0;
  readonly text: TextCodec;
  readonly bounds: ListBounds;

  constructor(text: TextCodec, bounds: ListBounds = UNBOUNDED) {
    this.text = text;
    this.bounds = bounds;
  }

  /** Starts on `bytes[start, end)`. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.offset = start;
    this.end = end;
  }

  /** Lets go of the bytes, so that an idle connection holds none. */
  release(): void {
    this.reset(NO_BYTES, 0, 0);
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  u8(): number {
    if (this.offset >= this.end) throw truncated();
    return this.bytes[this.offset++]!;
  }

  u16(): number {
    const offset = this.#advance(2);
    return (this.bytes[offset]! << 8) | this.bytes[offset + 1]!;
  }

  u32(): number {
    const high = this.u16();
    return high * 0x10000 + this.u16();
  }

  /** A variable byte integer in its shortest form [MQTT-1.5.5-1]. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (byte === 0 && shift > 0) throw malformed("a variable byte integer is longer than it needs to be");
      return value;
    }
    throw malformed("a variable byte integer has more than 4 bytes");
  }

  /** A UTF-8 string of up to 65,535 bytes [MQTT-1.5.4-1], [MQTT-1.5.4-2]. */
  string(): string {
    const length = this.u16();
    const start = this.#advance(length);
    return this.decodeText(start, scanText(this.bytes, start, this.offset));
  }

  /** The string from `start` to the reader's offset, of which {@link scanText} found `found`. */
  decodeText(start: number, found: number): string {
    if ((found & HAS_FORBIDDEN) !== 0)
      throw malformed("a string is not UTF-8 or holds a forbidden character");
    return start === this.offset ? "" : this.text.decode(this.bytes, start, this.offset);
  }

  /** Binary data with its length before it, as a view. */
  binary(): Uint8Array {
    const length = this.u16();
    return this.#view(this.#advance(length));
  }

  /** What is left, as a view. */
  rest(): Uint8Array {
    const start = this.offset;
    this.offset = this.end;
    return this.#view(start);
  }

  /** Moves on by `length` bytes and gives the offset from before. */
  skip(length: number): number {
    return this.#advance(length);
  }

  #advance(length: number): number {
    const start = this.offset;
    if (length > this.end - start) throw truncated();
    this.offset = start + length;
    return start;
  }

  // A plain Uint8Array: cheaper to make than a subarray of a subclass
  #view(start: number): Uint8Array {
    const { bytes } = this;
    return new Uint8Array(bytes.buffer, bytes.byteOffset + start, this.offset - start);
  }
}

function truncated(): Error {
  return malformed("the packet ends within a field");
}
