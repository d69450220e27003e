import { describe, expect, it } from "vitest";
import { BoundedMemo } from "./bounded-memo.ts";

describe("BoundedMemo", () => {
  it("remembers up to its weight, and forgets the oldest beyond", () => {
    const memo = new BoundedMemo<string>(5, (value) => value.length);
    memo.add("a", "aa");
    memo.add("b", "bb");
    memo.add("c", "c");
    expect(["a", "b", "c"].map((key) => memo.get(key))).toEqual(["aa", "bb", "c"]);
    memo.add("d", "ddd");
    expect(["a", "b", "c", "d"].map((key) => memo.get(key))).toEqual([undefined, undefined, "c", "ddd"]);
  });
});
