import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeqSet } from "./seq-set.ts";

describe("SeqSet", () => {
  it("has what was added, few or many to a chunk, and forgets whole chunks", () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 9_000 }), { maxLength: 200 });
    const runs = fc.integer({ min: 0, max: 9_000 });
    fc.assert(
      fc.property(gaps, runs, fc.nat(2_000_000), (steps, run, forgotten) => {
        const seqs = [...steps, ...Array.from({ length: run }, () => 1)];
        for (let index = 1; index < seqs.length; index += 1) seqs[index]! += seqs[index - 1]!;
        const set = new SeqSet();
        for (const seq of seqs) set.add(seq);
        set.forgetUpTo(forgotten);
        const members = new Set(seqs);
        const last = seqs.at(-1) ?? 0;
        for (let seq = forgotten + 1; seq <= last + 2; seq += 1) {
          if (set.has(seq) !== members.has(seq)) throw new Error(`${seq}`);
        }
        set.add(last + 1 + forgotten);
        expect(set.has(last + 1 + forgotten)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it("takes numbers only rising", () => {
    const set = new SeqSet();
    set.add(5);
    expect(() => set.add(5)).toThrow(RangeError);
  });
});
