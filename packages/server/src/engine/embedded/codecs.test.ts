import { crc32 } from "node:zlib";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogRecord, Plain } from "../../core/ports/engine.ts";
import { sessionKey } from "../../core/session/session-key.ts";
import { crc32Of } from "./crc32.ts";
import { tenantDirectoryName, tenantOfDirectory } from "./log/tenant-directory.ts";
import {
  decodeId,
  decodeRecord,
  decodeTopic,
  encodeRecord,
  isRecordAt,
  recordBound,
  recordSize,
} from "./segment/record-codec.ts";
import { decodeSegmentHeader, encodeSegmentHeader } from "./segment/segment-header.ts";
import { decodePlain, encodePlain } from "./store/plain-codec.ts";
import { keyBytes, keyRanges } from "./store/store-key.ts";

const text = fc.string({ unit: "grapheme", maxLength: 80 });
const bytes = fc.uint8Array({ maxLength: 600 });
const time = fc.oneof(fc.integer({ min: 0, max: 4e12 }), fc.double({ min: 0, max: 4e12, noNaN: true }));

const records: fc.Arbitrary<LogRecord> = fc.record({
  topic: text,
  payload: bytes,
  qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
  retain: fc.boolean(),
  properties: fc.option(
    fc.record(
      {
        payloadFormatIndicator: fc.constantFrom(0 as const, 1 as const),
        contentType: text,
        responseTopic: text,
        correlationData: bytes,
        userProperties: fc.array(fc.tuple(text, text), { maxLength: 5 }),
      },
      { requiredKeys: [] },
    ),
    { nil: undefined },
  ),
  publishedAtMs: time,
  expiresAtMs: fc.oneof(time, fc.constant(Infinity)),
  publisher: fc.oneof(
    fc.record({ sessionKey: text, realm: text, subject: text, clientId: text }),
    fc.record({ sessionKey: fc.string({ maxLength: 1 }), realm: text, subject: text, clientId: text }),
    fc.tuple(text, text, text, text).map(([tenant, realm, subject, clientId]) => {
      const identity = { realm, subject };
      return { sessionKey: sessionKey(tenant, identity, clientId), ...identity, clientId };
    }),
    fc.tuple(text, text, text).map(([realm, subject, clientId]) => ({
      sessionKey: `default/${realm}/${subject}/${clientId}`,
      realm,
      subject,
      clientId,
    })),
  ),
  inbound: fc.option(fc.record({ incarnation: text, packetId: fc.integer({ min: 1, max: 65_535 }) }), {
    nil: undefined,
  }),
});

describe("the record codec", () => {
  test("a message of 128 bytes takes less than 200 on the disk", () => {
    const identity = { realm: "token", subject: "user-12" };
    const publisher = {
      sessionKey: sessionKey("default", identity, "sensor-1234"),
      ...identity,
      clientId: "sensor-1234",
    };
    const plain = {
      qos: 1,
      retain: false,
      properties: undefined,
      expiresAtMs: Infinity,
      inbound: undefined,
    } as const;
    const record = {
      ...plain,
      topic: "data/12/abc",
      payload: new Uint8Array(128),
      publishedAtMs: 1.8e12,
      publisher,
    };
    const bytes = Buffer.alloc(recordBound(record, undefined));
    const frame = { salt: 1, delta: 1, isBatchStart: true };
    const target = { bytes, view: new DataView(bytes.buffer) };
    expect(encodeRecord(target, 0, frame, record, undefined)).toBeLessThan(200);
  });

  test("gives back every record and id as it was, within the bound, and no other bytes pass its checksum", () => {
    fc.assert(
      fc.property(
        records,
        fc.option(text, { nil: undefined }),
        fc.nat(100),
        fc.nat(),
        (record, id, start, place) => {
          const bound = recordBound(record, id);
          const target = Buffer.alloc(start + bound);
          const content = { bytes: target, view: new DataView(target.buffer) };
          const frame = { salt: 77, delta: 5, isBatchStart: false };
          const end = encodeRecord(content, start, frame, record, id);
          expect(end - start).toBeLessThanOrEqual(bound);
          expect(recordSize(content.view, start)).toBe(end - start);
          expect(isRecordAt(content, start, end, 77)).toBe(true);
          expect(isRecordAt(content, start, end, 78)).toBe(false);
          expect(decodeRecord(content, start)).toEqual(record);
          expect(decodeTopic(content, start)).toBe(record.topic);
          expect(decodeId(content, start)).toBe(id);
          target[start + (place % (end - start))]! ^= 1 << (place % 8);
          expect(isRecordAt(content, start, target.length, 77)).toBe(false);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("a segment's header comes back, and not with a bit flipped", () => {
    const header = {
      tenant: "ünïcode/tenant",
      firstSeq: 2 ** 40,
      coveredTo: 2 ** 41,
      generation: 3,
      epoch: new Uint8Array(16).fill(9),
    };
    const encoded = encodeSegmentHeader(header);
    expect(decodeSegmentHeader(encoded)).toEqual(header);
    for (let bit = 0; bit < encoded.length * 8; bit++) {
      const flipped = Buffer.from(encoded);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(decodeSegmentHeader(flipped)).toBeUndefined();
    }
    expect(decodeSegmentHeader(encoded.subarray(0, 30))).toBeUndefined();
  });
});

test("crc32Of() is zlib's CRC-32 at every length, in one go and continued", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_000 }), fc.nat(1_000), (data, cut) => {
      const middle = Math.min(cut, data.length);
      const first = crc32Of(data, 0, middle, 0);
      expect(crc32Of(data, middle, data.length, first) >>> 0).toBe(crc32(data));
    }),
  );
});

const plain: fc.Arbitrary<Plain> = fc.letrec<{ value: Plain }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.constantFrom("\ud800", "a", "\udc00", "é") }),
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.constantFrom(null, undefined, -0, 2 ** 32, Number.MAX_SAFE_INTEGER),
    bytes,
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(
      fc.string().filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
})).value;

test("plain data comes back as it was, also strings that have no UTF-8", () => {
  fc.assert(
    fc.property(plain, (value) => {
      expect(decodePlain(encodePlain(value))).toStrictEqual(value);
    }),
  );
});

test("a store key is another one for each space and name, and every name lies in the ranges of its prefixes", () => {
  const name = fc.oneof(
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.string({ unit: fc.constantFrom("\ud800", "\udfff", "x"), maxLength: 5 }),
    fc.string({ minLength: 1_950, maxLength: 2_000 }),
  );
  fc.assert(
    fc.property(name, name, name, name, fc.nat(2_000), (space, one, otherSpace, other, length) => {
      const key = keyBytes({ space, name: one });
      expect(key.length).toBeLessThanOrEqual(1_978);
      const isSame = space === otherSpace && one === other;
      expect(keyBytes({ space: otherSpace, name: other }).equals(key)).toBe(isSame);
      const ranges = keyRanges(space, one.slice(0, length));
      const isInside = ranges.some(({ start, end }) => key.compare(start) >= 0 && key.compare(end) < 0);
      expect(isInside).toBe(true);
    }),
  );
});

test("a tenant's directory has a name of its own, from which the tenant is known", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 12 }), (tenant) => {
      fc.pre(Buffer.byteLength(tenant) <= 59); // three characters a byte at most
      const name = tenantDirectoryName(tenant);
      expect(name).toMatch(/^[a-z0-9%_-]+$/);
      expect(tenantOfDirectory(name)).toBe(tenant);
    }),
  );
  expect(() => tenantDirectoryName("x".repeat(200))).toThrow(TypeError);
});
