import type { TextCodec } from "./text-codec.ts";

/** The largest value of a variable byte integer, and so of a remaining length. */
const MAX_VARINT = 268_435_455;
const MAX_FIELD_BYTES = 65_535;
const HEADER_ROOM = 5;
const INITIAL_BYTES = 128;

/** Bytes that a variable byte integer takes. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x20_0000 ? 3 : 4;
}

/** Writes a variable byte integer and gives the offset behind it. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let rest = value;
  let end = offset;
  while (rest >= 0x80) {
    target[end++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[end++] = rest;
  return end;
}

/**
 * Writes fields one behind the other into bytes that grow, or into a target that is known to be large enough: each
 * field asks for exactly the room that it takes, since growing would leave the target behind.
 */
export class Writer {
  bytes: Uint8Array;
  offset: number;
  readonly text: TextCodec;

  constructor(text: TextCodec, target?: Uint8Array, offset?: number) {
    this.text = text;
    this.bytes = target ?? new Uint8Array(INITIAL_BYTES);
    this.offset = offset ?? HEADER_ROOM;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.bytes[this.offset++] = value;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.bytes[this.offset++] = value >>> 8;
    this.bytes[this.offset++] = value;
  }

  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value & 0xffff);
  }

  varint(value: number): void {
    this.#reserve(varintSize(value));
    this.offset = writeVarint(this.bytes, this.offset, value);
  }

  /** @throws RangeError above 65,535 bytes. */
  string(value: string): void {
    const length = this.text.byteLength(value);
    this.#fieldLength(length);
    this.#reserve(length);
    this.offset += this.text.encodeInto(value, this.bytes, this.offset);
  }

  /** @throws RangeError above 65,535 bytes. */
  binary(value: Uint8Array): void {
    this.#fieldLength(value.length);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.bytes.set(value, this.offset);
    this.offset += value.length;
  }

  /** Puts the fixed header before the fields and gives the whole packet. @throws RangeError above the protocol's limit. */
  finish(header: number): Uint8Array {
    const remaining = this.offset - HEADER_ROOM;
    checkRemaining(remaining);
    const start = HEADER_ROOM - 1 - varintSize(remaining);
    this.bytes[start] = header;
    writeVarint(this.bytes, start + 1, remaining);
    return this.bytes.slice(start, this.offset);
  }

  #fieldLength(length: number): void {
    checkField(length);
    this.u16(length);
  }

  #reserve(length: number): void {
    const needed = this.offset + length;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes);
    this.bytes = grown;
  }
}

/** @throws RangeError if a string or binary field cannot have this many bytes [MQTT-4.7.3-3]. */
export function checkField(length: number): void {
  if (length > MAX_FIELD_BYTES) throw new RangeError(`a field of ${length} bytes: MQTT allows 65,535`);
}

/** @throws RangeError if no packet can have this remaining length. */
export function checkRemaining(remaining: number): void {
  if (remaining > MAX_VARINT)
    throw new RangeError(`a packet of ${remaining} bytes: MQTT allows ${MAX_VARINT}`);
}
