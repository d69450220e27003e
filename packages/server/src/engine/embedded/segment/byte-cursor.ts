/** Longer texts are left to the native encoder. */
const plainTextChars = 64;

/** Reads and writes the small parts of a record, one behind the other. */
export class ByteCursor {
  bytes: Buffer;
  view: DataView;
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Moves to another buffer. */
  moveTo(bytes: Buffer, view: DataView, at: number): this {
    this.bytes = bytes;
    this.view = view;
    this.at = at;
    return this;
  }

  writeU8(value: number): void {
    this.bytes[this.at++] = value;
  }

  writeF64(value: number): void {
    this.view.setFloat64(this.at, value, true);
    this.at += 8;
  }

  /** Up to 32 bits, in one to five bytes. */
  writeVarint(value: number): void {
    let left = value;
    while (left > 127) {
      this.bytes[this.at++] = (left & 127) | 128;
      left >>>= 7;
    }
    this.bytes[this.at++] = left;
  }

  writeBytes(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.at);
    this.at += bytes.byteLength;
  }

  writeSizedBytes(bytes: Uint8Array): void {
    this.writeVarint(bytes.byteLength);
    this.writeBytes(bytes);
  }

  /** The length in bytes and the text in UTF-8. What is short and ASCII needs no native call. */
  writeText(text: string): void {
    const { length } = text;
    if (length > plainTextChars) return this.#writeLongText(text);
    const start = this.at;
    this.bytes[this.at++] = length;
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index);
      if (unit > 127) {
        this.at = start;
        return this.#writeLongText(text);
      }
      this.bytes[this.at++] = unit;
    }
  }

  #writeLongText(text: string): void {
    this.writeVarint(Buffer.byteLength(text));
    this.at += this.bytes.write(text, this.at);
  }

  readU8(): number {
    return this.bytes[this.at++]!;
  }

  readF64(): number {
    const value = this.view.getFloat64(this.at, true);
    this.at += 8;
    return value;
  }

  readVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.at++]!;
      value |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    return value >>> 0;
  }

  /** A view, not a copy. */
  readBytes(length: number): Uint8Array {
    const start = this.at;
    this.at += length;
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + start, length);
  }

  /** Passes over bytes that have their length before them. */
  skipSized(): void {
    const length = this.readVarint();
    this.at += length;
  }

  readText(): string {
    const length = this.readVarint();
    const start = this.at;
    this.at += length;
    return this.bytes.toString("utf8", start, this.at);
  }
}

/** An upper bound of what `writeText` takes. */
export function textBound(text: string): number {
  return 5 + 3 * text.length;
}
