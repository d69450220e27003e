import type { Plain } from "../../../core/ports/engine.ts";
import { ByteCursor, textBound } from "../segment/byte-cursor.ts";

const maxDepth = 64;

const tags = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  integer: 4,
  double: 5,
  text: 6,
  bytes: 7,
  list: 8,
  map: 9,
  units: 10,
};

let scratch = new ByteCursor(Buffer.allocUnsafeSlow(65_536));

/** Plain data as bytes, after `prefixBytes` bytes that are left for the caller. Throws TypeError for what is no plain data. */
export function encodePlain(value: Plain, prefixBytes = 0): Buffer {
  scratch.at = prefixBytes;
  write(value, 0);
  return Buffer.from(scratch.bytes.subarray(0, scratch.at));
}

/** A copy that nobody else holds. */
export function decodePlain(bytes: Buffer, start = 0): Plain {
  const cursor = new ByteCursor(bytes);
  cursor.at = start;
  return read(cursor);
}

/** Of any string, also of one that has no UTF-8. */
function writeAnyText(text: string): void {
  reserve(textBound(text) + 1);
  if (text.isWellFormed()) {
    scratch.writeU8(tags.text);
    scratch.writeText(text);
  } else {
    scratch.writeU8(tags.units);
    scratch.writeSizedBytes(Buffer.from(text, "utf16le"));
  }
}

function write(value: Plain, depth: number): void {
  reserve(10);
  switch (typeof value) {
    case "undefined":
      return scratch.writeU8(tags.undefined);
    case "boolean":
      return scratch.writeU8(value ? tags.true : tags.false);
    case "number":
      return writeNumber(value);
    case "string":
      return writeAnyText(value);
    case "object":
      return writeObject(value, depth);
    default:
      throw new TypeError(`not plain data: a ${typeof value}`);
  }
}

function writeNumber(value: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= 4_294_967_295 && !Object.is(value, -0)) {
    scratch.writeU8(tags.integer);
    return scratch.writeVarint(value);
  }
  scratch.writeU8(tags.double);
  scratch.writeF64(value);
}

function writeObject(value: Exclude<Plain, string | number | boolean | undefined>, depth: number): void {
  if (value === null) return scratch.writeU8(tags.null);
  if (depth === maxDepth) throw new TypeError(`not plain data: more than ${maxDepth} levels, or a cycle`);
  if (value instanceof Uint8Array) {
    reserve(value.byteLength + 6);
    scratch.writeU8(tags.bytes);
    return scratch.writeSizedBytes(value);
  }
  if (Array.isArray(value)) {
    scratch.writeU8(tags.list);
    scratch.writeVarint(value.length);
    for (const item of value as readonly Plain[]) write(item, depth + 1);
    return;
  }
  writeMap(value as { readonly [key: string]: Plain }, depth);
}

function writeMap(value: { readonly [key: string]: Plain }, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw new TypeError("not plain data: a class instance");
  const keys = Object.keys(value);
  scratch.writeU8(tags.map);
  scratch.writeVarint(keys.length);
  for (const key of keys) {
    if (key === "__proto__") throw new TypeError("not plain data: a key __proto__");
    writeAnyText(key);
    write(value[key], depth + 1);
  }
}

function reserve(bytes: number): void {
  if (scratch.at + bytes <= scratch.bytes.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(scratch.bytes.length * 2, scratch.at + bytes));
  scratch.bytes.copy(larger, 0, 0, scratch.at);
  const { at } = scratch;
  scratch = new ByteCursor(larger);
  scratch.at = at;
}

function read(cursor: ByteCursor): Plain {
  const tag = cursor.readU8();
  switch (tag) {
    case tags.undefined:
      return undefined;
    case tags.null:
      return null;
    case tags.false:
      return false;
    case tags.true:
      return true;
    case tags.integer:
      return cursor.readVarint();
    case tags.double:
      return cursor.readF64();
    case tags.text:
      return cursor.readText();
    case tags.units:
      return Buffer.from(cursor.readBytes(cursor.readVarint())).toString("utf16le");
    case tags.bytes:
      return cursor.readBytes(cursor.readVarint()).slice();
    case tags.list:
      return Array.from({ length: cursor.readVarint() }, () => read(cursor));
    case tags.map:
      return readMap(cursor);
    default:
      throw new TypeError(`no plain data: tag ${tag}`);
  }
}

/** Keys of maps are few, and come again and again: a text of bytes that were seen before is not made anew. */
const knownKeys = new Array<{ readonly bytes: Uint8Array; readonly text: string } | undefined>(1_024);
const maxKnownKeyBytes = 32;

function readKey(cursor: ByteCursor): string {
  const { bytes, at } = cursor;
  const length = bytes[at + 1] ?? 0;
  if (bytes[at] !== tags.text || length > maxKnownKeyBytes) return read(cursor) as string;
  let hash = length;
  for (let index = at + 2; index < at + 2 + length; index++) hash = (hash * 31 + bytes[index]!) & 1_023;
  const known = knownKeys[hash];
  if (known !== undefined && isAt(bytes, at + 2, known.bytes, length)) {
    cursor.at = at + 2 + length;
    return known.text;
  }
  const text = read(cursor) as string;
  knownKeys[hash] = { bytes: Uint8Array.from(bytes.subarray(at + 2, at + 2 + length)), text };
  return text;
}

function isAt(bytes: Uint8Array, at: number, expected: Uint8Array, length: number): boolean {
  if (expected.length !== length) return false;
  for (let index = 0; index < length; index++) if (bytes[at + index] !== expected[index]) return false;
  return true;
}

function readMap(cursor: ByteCursor): Plain {
  const map: Record<string, Plain> = {};
  for (let left = cursor.readVarint(); left > 0; left--) {
    const key = readKey(cursor);
    map[key] = read(cursor);
  }
  return map;
}
