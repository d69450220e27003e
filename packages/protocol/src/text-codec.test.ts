import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HAS_FORBIDDEN, HAS_WILDCARD, isAllowedText, scanText } from "./text-scan.ts";
import { encodeText, pureTextCodec } from "./index.ts";

const anyText = fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme", maxLength: 200 }));
const anyUnits = fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units));

describe("pureTextCodec", () => {
  it("encodes as Buffer does, unpaired surrogates too", () => {
    fc.assert(
      fc.property(fc.oneof(anyText, anyUnits), (text) => {
        const wanted = Buffer.from(text);
        expect(pureTextCodec.byteLength(text)).toBe(wanted.length);
        expect(Buffer.compare(encodeText(text), wanted)).toBe(0);
      }),
      { numRuns: 5_000 },
    );
  });

  it("decodes what is well-formed as Buffer does", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const bytes = Buffer.from(`..${text}..`);
        const wanted = bytes.toString("utf8", 2, bytes.length - 2);
        expect(pureTextCodec.decode(bytes, 2, bytes.length - 2)).toBe(wanted);
      }),
      { numRuns: 5_000 },
    );
  });

  it("decodes long texts", () => {
    const text = "aß€\u{1f68c}".repeat(10_000);
    const bytes = Buffer.from(text);
    expect(pureTextCodec.decode(bytes, 0, bytes.length)).toBe(text);
  });
});

describe("scanText()", () => {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  function isWellFormed(bytes: Uint8Array): boolean {
    try {
      decoder.decode(bytes);
      return true;
    } catch {
      return false;
    }
  }

  // What the standard lets a receiver refuse, written down a second time
  const refused = /\p{Cc}|\p{Noncharacter_Code_Point}/u;

  it("accepts exactly the well-formed UTF-8 without refused characters [MQTT-1.5.4-1] [MQTT-1.5.4-2]", () => {
    const nearlyUtf8 = anyText.map((text) => Uint8Array.from(Buffer.from(text)));
    const broken = fc.tuple(nearlyUtf8, fc.nat(50), fc.nat(255)).map(([bytes, at, value]) => {
      if (bytes.length > 0) bytes[at % bytes.length] = value;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 8 }), nearlyUtf8, broken), (bytes) => {
        const isGood = isWellFormed(bytes) && !refused.test(Buffer.from(bytes).toString());
        expect((scanText(bytes, 0, bytes.length) & HAS_FORBIDDEN) === 0).toBe(isGood);
      }),
      { numRuns: 20_000 },
    );
  });

  it("judges every code point as isAllowedText() does", () => {
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
      const text = String.fromCodePoint(codePoint);
      const isSurrogate = codePoint >= 0xd800 && codePoint <= 0xdfff;
      const isGood = !isSurrogate && !refused.test(text);
      if (isAllowedText(text) !== isGood) expect.unreachable(`U+${codePoint.toString(16)}`);
      if (isSurrogate) continue;
      const bytes = encodeText(text);
      const found = scanText(bytes, 0, bytes.length);
      if (((found & HAS_FORBIDDEN) === 0) !== isGood) expect.unreachable(`U+${codePoint.toString(16)}`);
      if (((found & HAS_WILDCARD) !== 0) !== (text === "+" || text === "#")) expect.unreachable(text);
    }
  });
});
