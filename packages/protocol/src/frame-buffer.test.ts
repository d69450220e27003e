import { expect, it } from "vitest";
import { FrameBuffer } from "./frame-buffer.ts";

it("holds at most twice what it was given, and never more than the packet can be", () => {
  const buffer = new FrameBuffer();
  const piece = new Uint8Array(1_000).fill(1);
  for (let count = 1; count <= 100; count++) {
    buffer.append(piece, 0, piece.length, 100_000);
    expect(buffer.bytes.length).toBeLessThanOrEqual(Math.min(2 * count * 1_000, 100_000));
  }
  expect(buffer.bytes).toHaveLength(100_000);
});
