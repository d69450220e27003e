import { describe, expect, it } from "vitest";
import { createAccessKey, createTokenId, hashesEqual, hashKey, tokenIdOf } from "./access-key.ts";

describe("createTokenId()", () => {
  it("gives ids that differ, and sort in order of time", () => {
    const ids = [
      0,
      1,
      31,
      32,
      1_000,
      Date.UTC(2026, 0, 1),
      Date.UTC(2026, 0, 1) + 1,
      Date.UTC(2999, 0, 1),
    ].map(createTokenId);
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(Array.from({ length: 1_000 }, () => createTokenId(0))).size).toBe(1_000);
  });
});

describe("tokenIdOf()", () => {
  it("reads the id of a key, also where the secret holds underscores", () => {
    for (let i = 0; i < 100; i++) {
      const id = createTokenId(i);
      expect(tokenIdOf(createAccessKey(id))).toBe(id);
    }
    expect(tokenIdOf("weir_abc_a_b_c_d_e_f_g_h_i")).toBe("abc");
  });

  it.each([
    "",
    "weir",
    "weir_abc",
    "weir__x",
    "weir_a-b_x",
    "WEIR_abc_x",
    "xweir_abc_x",
    `weir_${"a".repeat(65)}_x`,
  ])("finds none in %j", (key) => {
    expect(tokenIdOf(key)).toBeUndefined();
  });
});

describe("hashesEqual()", () => {
  it("is true for the same key only, as text or bytes, and false without a stored one", () => {
    const key = createAccessKey("abc");
    expect(hashesEqual(hashKey(key), hashKey(Buffer.from(key)))).toBe(true);
    expect(hashesEqual(hashKey(key), hashKey(`${key}x`))).toBe(false);
    expect(hashesEqual(hashKey(key), undefined)).toBe(false);
    expect(hashesEqual(new Uint8Array(32), undefined)).toBe(false);
    expect(hashesEqual(hashKey(key), new Uint8Array(3))).toBe(false);
  });
});
