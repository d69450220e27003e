/**
 * Bytes as hexadecimal digits, with white space where it helps, and comments from `//` to the end of the line.
 *
 * @example
 * packetBytes(`
 *   c0 // PINGREQ
 *   00 // remaining length
 * `);
 * @throws RangeError if something else stands there
 */
export function packetBytes(hex: string): Buffer {
  const digits = hex.replaceAll(/\/\/.*$/gm, "").replaceAll(/\s+/g, "");
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new RangeError(`these are no bytes in hexadecimal: ${hex}`);
  return Buffer.from(digits, "hex");
}

/** The same bytes in chunks of one: whoever reads them must not need more. */
export function oneByOne(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (byte) => Uint8Array.of(byte));
}
