import { describe, expect, it } from "vitest";
import { RecordTimes } from "./record-times.ts";

describe("RecordTimes", () => {
  it("knows the last record before a time, and never one that is younger", () => {
    const times = new RecordTimes();
    for (const [seq, atMs] of [
      [1, 0],
      [2, 500],
      [5, 3_000],
      [6, 10_000],
    ] as const)
      times.note(seq, atMs);
    expect([0, 400, 501, 3_000, 3_001, 10_001].map((atMs) => times.lastBefore(atMs))).toEqual([
      0, 0, 2, 2, 5, 6,
    ]);
  });

  it("knows a long past to a small part of its age, and errs towards keeping", () => {
    const times = new RecordTimes();
    const count = 600_000; // a week of a record a second
    for (let seq = 1; seq <= count; seq += 1) times.note(seq, seq * 1_000);
    for (let seq = 1; seq <= count; seq += 997) {
      const found = times.lastBefore(seq * 1_000);
      expect(found).toBeLessThan(seq);
      expect(seq - found).toBeLessThan(2 + (count - seq) / 64);
    }
  });
});
