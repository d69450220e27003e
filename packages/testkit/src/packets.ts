/** A byte, a quoted text, a comment, or white space. */
const PART = /(?<byte>[0-9a-f]{2})|"(?<text>[^"]*)"|\/\/.*$|\s+/gim;

/**
 * Bytes as hexadecimal digits, with white space where it helps, and comments from `//` to the end of the line. A text in
 * double quotes stands for a UTF-8 string of MQTT: its length in two bytes, then its characters.
 *
 * @example
 * packetBytes(`
 *   c0 // PINGREQ
 *   00 // remaining length
 * `);
 * @throws RangeError if something else stands there
 */
export function packetBytes(hex: string): Buffer {
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const { 0: part, index, groups } of hex.matchAll(PART)) {
    if (index !== end) break;
    end += part.length;
    if (groups?.["byte"] !== undefined) parts.push(Buffer.from(part, "hex"));
    else if (groups?.["text"] !== undefined) parts.push(stringBytes(groups["text"]));
  }
  if (end !== hex.length) throw new RangeError(`these are no bytes in hexadecimal: ${hex}`);
  return Buffer.concat(parts);
}

/**
 * A packet of its first byte and of what follows the remaining length, which is worked out.
 *
 * @example
 * framed(0x82, `0001 00 "a/b" 00`); // SUBSCRIBE 1, no properties, a/b at QoS 0
 */
export function framed(firstByte: number, body: string): Buffer {
  const bytes = packetBytes(body);
  return Buffer.concat([Uint8Array.of(firstByte, ...variableInteger(bytes.length)), bytes]);
}

function stringBytes(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}

function variableInteger(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...variableInteger(value >> 7)];
}

/** The same bytes in chunks of one: whoever reads them must not need more. */
export function oneByOne(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (byte) => Uint8Array.of(byte));
}

/** The packets in a stream of bytes, each in hexadecimal digits: for a test that looks at every byte. */
export function framesOf(chunks: readonly Uint8Array[]): string[] {
  const stream = Buffer.concat(chunks);
  const frames: string[] = [];
  for (let start = 0; start < stream.length;) {
    const end = endOfFrame(stream, start);
    frames.push(stream.toString("hex", start, end));
    start = end;
  }
  return frames;
}

function endOfFrame(stream: Buffer, start: number): number {
  let remaining = 0;
  for (let count = 1; count <= 4; count++) {
    const byte = stream[start + count] ?? 0;
    remaining += (byte & 0x7f) * 128 ** (count - 1);
    if (byte < 0x80) return start + count + 1 + remaining;
  }
  throw new RangeError(`no packet begins at byte ${start}`);
}

/** A message's payload as text. */
export function textOf(message: { readonly payload: Uint8Array }): string {
  return Buffer.from(message.payload).toString();
}
