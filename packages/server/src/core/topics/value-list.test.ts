import * as fc from "fast-check";
import { expect, it } from "vitest";
import { ValueList } from "./value-list.ts";

it("ValueList holds what a Set holds, below and above the length at which it is indexed", () => {
  const change = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 40 }));
  fc.assert(
    fc.property(fc.nat(30), fc.array(change, { maxLength: 100 }), (fill, changes) => {
      const list = new ValueList<number>();
      const set = new Set<number>();
      const filled = Array.from({ length: fill }, (_, i) => [true, i] as const);
      for (const [isAdd, value] of [...filled, ...changes]) {
        if (isAdd) {
          expect(list.add(value)).toBe(!set.has(value));
          set.add(value);
        } else {
          expect(list.delete(value)).toBe(set.delete(value));
        }
        expect(list.values.length).toBe(set.size);
      }
      expect(new Set(list.values)).toEqual(set);
    }),
    { numRuns: 1_000 },
  );
});
