import { codePointAt, codePointSize } from "./code-point.ts";

/**
 * Strings to UTF-8 and back, injected because the fastest way differs by platform.
 *
 * Measured on Node 24 (`bench/codec.ts`), decode and look up in a Map: 10 bytes 66 ns with the loop below against
 * 95 ns with `Buffer#latin1Slice`; 20 bytes 101 against 109; 60 bytes 245 against 168; 2,000 bytes 9,200 against
 * 3,000; `TextDecoder` 138 to 208 ns on short ones. Concatenating characters is slower than all (912 ns at 60).
 * Encode: 30 bytes 71 ns with a loop, 64 with `utf8Write`; 2,000 bytes 4,400 against 104. So a server injects
 * the Buffer functions, and a browser lives well with `pureTextCodec`. The decoder's memory of the last topic and
 * the encoder's ready-made topic bytes avoid both on the hot path.
 */
export interface TextCodec {
  /** The string in `bytes[start, end)`, which the caller has found to be well-formed UTF-8. U+FEFF is kept. */
  decode(bytes: Uint8Array, start: number, end: number): string;
  /** Bytes of the string in UTF-8; an unpaired surrogate counts as U+FFFD, 3 bytes. */
  byteLength(text: string): number;
  /** Writes the string and gives the number of bytes written; the caller has made room. */
  encodeInto(text: string, target: Uint8Array, offset: number): number;
}

const CHUNK_UNITS = 64;
const REPLACEMENT = 0xfffd;

/** The codec in plain ECMAScript, for any platform. */
export const pureTextCodec: TextCodec = { decode, byteLength, encodeInto };

function decode(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  let offset = start;
  while (offset < end) {
    const units: number[] = [];
    while (offset < end && units.length < CHUNK_UNITS) {
      const codePoint = codePointAt(bytes, offset, end);
      pushUnits(units, codePoint);
      offset += codePointSize(codePoint);
    }
    text += String.fromCharCode.apply(null, units);
  }
  return text;
}

function pushUnits(units: number[], codePoint: number): void {
  if (codePoint < 0x10000) {
    units.push(codePoint);
    return;
  }
  units.push(0xd800 + ((codePoint - 0x10000) >> 10), 0xdc00 + (codePoint & 0x3ff));
}

function byteLength(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    length += unit < 0x800 ? 1 : 2;
    // a pair is 4 bytes for 2 units: the 2 of its first unit are enough
    if (isPair(text, index)) index++;
  }
  return length;
}

function isPair(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00;
}

function encodeInto(text: string, target: Uint8Array, offset: number): number {
  let end = offset;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) {
      target[end++] = unit;
    } else if (isPair(text, index)) {
      end = writeCodePoint(text.codePointAt(index)!, target, end);
      index++;
    } else {
      end = writeCodePoint((unit & 0xf800) === 0xd800 ? REPLACEMENT : unit, target, end);
    }
  }
  return end - offset;
}

function writeCodePoint(codePoint: number, target: Uint8Array, offset: number): number {
  const size = codePointSize(codePoint);
  let rest = codePoint;
  for (let index = offset + size - 1; index > offset; index--) {
    target[index] = 0x80 | (rest & 0x3f);
    rest >>= 6;
  }
  target[offset] = ((0xf00 >> size) & 0xff) | rest;
  return offset + size;
}

/** The string's UTF-8 in bytes of its own. */
export function encodeText(text: string, codec: TextCodec = pureTextCodec): Uint8Array {
  const bytes = new Uint8Array(codec.byteLength(text));
  codec.encodeInto(text, bytes, 0);
  return bytes;
}
