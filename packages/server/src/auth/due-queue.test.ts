import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DueQueue } from "./due-queue.ts";
import { SortedIds } from "../core/objects/sorted-ids.ts";

type Step = ["set" | "setAtMost" | "delete" | "take" | "prune", string, number];

describe("DueQueue", () => {
  it("gives each id once, at its last time, in order: as a plain map does", () => {
    const step = fc.tuple(
      fc.constantFrom("set", "setAtMost", "delete", "take", "prune"),
      fc.constantFrom("a", "b", "c", "d", "e"),
      fc.integer({ min: 0, max: 20 }),
    ) as fc.Arbitrary<Step>;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new DueQueue();
        const model = new Map<string, number>();
        for (const [name, id, timeMs] of steps) {
          if (name === "take") {
            const taken = queue.take(timeMs);
            const dueMs = Math.min(...model.values());
            if (dueMs > timeMs) expect(taken).toBeUndefined();
            else expect(model.get(taken as string)).toBe(dueMs);
            if (taken !== undefined) model.delete(taken);
          } else if (name === "prune") {
            queue.prune((one) => one <= id);
            for (const one of model.keys()) if (one > id) model.delete(one);
            expect(queue.count).toBe(model.size);
          } else {
            queue[name](id, timeMs);
            if (name === "delete") model.delete(id);
            else if (name === "set" || timeMs < (model.get(id) ?? Infinity)) model.set(id, timeMs);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("SortedIds", () => {
  it("lists what is in it in order, from any place on", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.stringMatching(/^[a-d]{1,2}$/))),
        fc.stringMatching(/^[a-d]{1,2}$/),
        (steps, after) => {
          const ids = new SortedIds();
          const model = new Set<string>();
          for (const [isAdded, id] of steps) {
            if (isAdded) ids.add(id);
            else ids.remove(id);
            if (isAdded) model.add(id);
            else model.delete(id);
          }
          const sorted = [...model].sort();
          expect([...ids.after(undefined)]).toEqual(sorted);
          expect([...ids.after(after)]).toEqual(sorted.filter((id) => id > after));
        },
      ),
      { numRuns: 300 },
    );
  });
});
