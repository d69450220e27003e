import { describe, expect, it } from "vitest";
import { isPosition, PositionCodec } from "./position-codec.ts";

describe("PositionCodec", () => {
  const codec = new PositionCodec("8f3k");

  it.each([0, 1, 4_711, Number.MAX_SAFE_INTEGER])("gives %d back", (seq) => {
    expect(isPosition(codec.encode(seq))).toBe(true);
    expect(codec.decode(codec.encode(seq))).toBe(seq);
  });

  it("does not know a position of another epoch, or of a later format", () => {
    expect(codec.decode(new PositionCodec("other").encode(1))).toBeUndefined();
    expect(codec.decode("p2.8f3k.1")).toBeUndefined();
    expect(codec.decode(`p1.8f3k.${"z".repeat(20)}`)).toBeUndefined();
  });

  it("keeps to the characters of a position whatever the epoch is", () => {
    expect(isPosition(new PositionCodec("memory 1/ü").encode(5))).toBe(true);
  });
});
