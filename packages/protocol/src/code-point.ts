/** What {@link codePointAt} gives for bytes that are not well-formed UTF-8. */
export const ILL_FORMED = -1;

/**
 * The code point that starts at `offset`, or `ILL_FORMED`: a stray or missing continuation byte, an over-long form,
 * a surrogate, a value above U+10FFFF, or a sequence that runs over `end` [MQTT-1.5.4-1].
 */
export function codePointAt(bytes: Uint8Array, offset: number, end: number): number {
  const lead = bytes[offset]!;
  if (lead < 0x80) return lead;
  if (lead < 0xc2 || lead > 0xf4) return ILL_FORMED;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (offset + length > end) return ILL_FORMED;
  let codePoint = lead & (0x7f >> length);
  for (let index = offset + 1; index < offset + length; index++) {
    const byte = bytes[index]!;
    if ((byte & 0xc0) !== 0x80) return ILL_FORMED;
    codePoint = (codePoint << 6) | (byte & 0x3f);
  }
  return isScalar(codePoint, length) ? codePoint : ILL_FORMED;
}

function isScalar(codePoint: number, length: number): boolean {
  if (length === 3) return codePoint >= 0x800 && (codePoint < 0xd800 || codePoint > 0xdfff);
  return length === 2 || (codePoint >= 0x10000 && codePoint <= 0x10ffff);
}

/** Bytes that the code point takes in UTF-8. */
export function codePointSize(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}

/**
 * False for what a string of MQTT must not hold, U+0000 [MQTT-1.5.4-2], and for what a receiver may refuse and this
 * one does: control characters and the non-characters of Unicode (MQTT 5.0 §1.5.4). U+FEFF is allowed
 * [MQTT-1.5.4-3].
 */
export function isAllowedCodePoint(codePoint: number): boolean {
  if (codePoint < 0x20) return false;
  if (codePoint >= 0x7f && codePoint <= 0x9f) return false;
  if (codePoint >= 0xfdd0 && codePoint <= 0xfdef) return false;
  return (codePoint & 0xfffe) !== 0xfffe;
}
