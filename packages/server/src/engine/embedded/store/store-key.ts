import { createHash } from "node:crypto";

/** LMDB's bound with pages of 4 KiB. */
const maxKeyBytes = 1_978;

/**
 * A place in the store: a space (a bucket, a kind of owned rows) and a name in it, both of any characters and length.
 * As bytes: u16 length of the space · the space · 0 · the name in UTF-8; or, where that is too long or the name has no
 * UTF-8, 1 · SHA-256 of the name. The name itself stands in the value, too.
 */
export interface StoreKey {
  readonly space: string;
  readonly name: string;
}

const plain = 0;
const hashed = 1;

/** Equal for equal keys only. */
export function keyText({ space, name }: StoreKey): string {
  return `${space.length} ${space}${name}`;
}

export function keyBytes({ space, name }: StoreKey): Buffer {
  const head = spaceBytes(space, plain);
  const bytes = Buffer.concat([head, Buffer.from(name, "utf8")]);
  if (bytes.length <= maxKeyBytes && name.isWellFormed()) return bytes;
  const hash = createHash("sha256").update(Buffer.from(name, "utf16le")).digest();
  return Buffer.concat([spaceBytes(space, hashed), hash]);
}

/** Where the names of a space that begin with `prefix` stand: a range of plain keys, and all that are hashed. */
export function keyRanges(space: string, prefix: string): readonly { start: Buffer; end: Buffer }[] {
  const hashes = { start: spaceBytes(space, hashed), end: spaceBytes(space, hashed + 1) };
  const wellFormed = prefix.isWellFormed() ? prefix : "";
  const start = Buffer.concat([spaceBytes(space, plain), Buffer.from(wellFormed, "utf8")]);
  if (start.length > maxKeyBytes) return [hashes];
  return [{ start, end: afterPrefix(start) }, hashes];
}

function spaceBytes(space: string, kind: number): Buffer {
  const text = Buffer.from(space, "utf8");
  const body = text.length <= 512 ? text : createHash("sha512").update(text).digest();
  const bytes = Buffer.alloc(body.length + 3);
  bytes.writeUInt16BE(body.length, 0);
  body.copy(bytes, 2);
  bytes[bytes.length - 1] = kind;
  return bytes;
}

/** The lowest key above all that begin with these bytes. Neither UTF-8 nor a kind ends in 0xFF. */
function afterPrefix(bytes: Buffer): Buffer {
  const end = Buffer.from(bytes);
  end[end.length - 1]! += 1;
  return end;
}
