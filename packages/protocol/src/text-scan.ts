import { codePointAt, codePointSize, ILL_FORMED, isAllowedCodePoint } from "./code-point.ts";

/** The text holds `+` or `#`. */
export const HAS_WILDCARD = 1;
/** The text holds something beyond ASCII. */
const HAS_MULTI_BYTE = 2;
/** The text is not well-formed UTF-8, or holds a character that MQTT or this codec refuses. */
export const HAS_FORBIDDEN = 4;

const classOfByte: Uint8Array = classifyBytes();

function classifyBytes(): Uint8Array {
  const classes = new Uint8Array(256);
  classes.fill(HAS_FORBIDDEN, 0, 0x20);
  classes[0x7f] = HAS_FORBIDDEN;
  classes.fill(HAS_MULTI_BYTE, 0x80);
  classes[0x23] = HAS_WILDCARD;
  classes[0x2b] = HAS_WILDCARD;
  return classes;
}

/**
 * What the bytes of a string hold, as a sum of the `HAS_…` flags: 0 is plain ASCII without wildcards.
 * One pass without branches settles nearly every string; only beyond ASCII a second one looks at code points.
 */
export function scanText(bytes: Uint8Array, start: number, end: number): number {
  let found = 0;
  for (let offset = start; offset < end; offset++) found |= classOfByte[bytes[offset]!]!;
  if ((found & HAS_MULTI_BYTE) !== 0 && !isAllowedUtf8(bytes, start, end)) found |= HAS_FORBIDDEN;
  return found;
}

function isAllowedUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let offset = start;
  while (offset < end) {
    const codePoint = codePointAt(bytes, offset, end);
    if (codePoint === ILL_FORMED || !isAllowedCodePoint(codePoint)) return false;
    offset += codePointSize(codePoint);
  }
  return true;
}

/** True for a string that may stand in an MQTT packet, whatever its length: the same rule as for received bytes. */
export function isAllowedText(text: string): boolean {
  if (!text.isWellFormed()) return false;
  for (let index = 0; index < text.length; index++) {
    const codePoint = text.codePointAt(index)!;
    if (!isAllowedCodePoint(codePoint)) return false;
    if (codePoint > 0xffff) index++;
  }
  return true;
}
