import { codePointAt, codePointSize } from "./code-point.ts";

/**
 * Strings to UTF-8 and back, injected because the fastest way differs by platform.
 *
 * Measured on Node 24 (`bench/codec.ts`), decode and look up in a Map: 10 bytes 90 ns with the loop below against
 * 93 ns with `Buffer#utf8Slice` (`latin1Slice` is no faster), 30 bytes 224 against 119, 60 bytes 432 against 167,
 * 2,000 bytes 14,200 against 3,100; `TextDecoder` takes 40 ns more than `utf8Slice` on short ones, and adding
 * character to character 910 ns at 60 bytes. Encode: 10 bytes 28 against 37 with `utf8Write`, 30 bytes 83 against
 * 32, 2,000 bytes 5,000 against 62. So a server injects the Buffer functions, and a browser lives with
 * `pureTextCodec`. The decoder's memory of the last topic and `writePublish` with the topic's bytes need neither.
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
    while (offset < end && units.length < CHUNK_UNITS) offset += decodeOne(bytes, offset, end, units);
    text += String.fromCharCode.apply(null, units);
  }
  return text;
}

function decodeOne(bytes: Uint8Array, offset: number, end: number, units: number[]): number {
  const lead = bytes[offset]!;
  if (lead < 0x80) {
    units.push(lead);
    return 1;
  }
  const codePoint = codePointAt(bytes, offset, end);
  pushUnits(units, codePoint);
  return codePointSize(codePoint);
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
