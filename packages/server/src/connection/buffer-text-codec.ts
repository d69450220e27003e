import { pureTextCodec } from "@weir/protocol";
import type { TextCodec } from "@weir/protocol";

/** Below this length a loop in JavaScript is faster than a call into Node (see `TextCodec` for the figures). */
const SHORT = 24;

/** UTF-8 by Node's own Buffer where that is faster. */
export const bufferTextCodec: TextCodec = {
  decode(bytes, start, end) {
    if (end - start < SHORT) return pureTextCodec.decode(bytes, start, end);
    return asBuffer(bytes).toString("utf8", start, end);
  },
  byteLength(text) {
    return text.length < SHORT ? pureTextCodec.byteLength(text) : Buffer.byteLength(text);
  },
  encodeInto(text, target, offset) {
    if (text.length < SHORT) return pureTextCodec.encodeInto(text, target, offset);
    return asBuffer(target).write(text, offset, "utf8");
  },
};

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
