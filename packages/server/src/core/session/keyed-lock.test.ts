import { describe, expect, it } from "vitest";
import { KeyedLock } from "./keyed-lock.ts";

describe("KeyedLock", () => {
  it("lets tasks of one key run one after the other, in the order in which they came", async () => {
    const lock = new KeyedLock();
    const steps: string[] = [];
    const task = (name: string) => async (): Promise<void> => {
      steps.push(`${name} begins`);
      for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
      steps.push(`${name} ends`);
    };
    await Promise.all(["1", "2", "3"].map((name) => lock.run("k", task(name))));
    expect(steps).toEqual(["1 begins", "1 ends", "2 begins", "2 ends", "3 begins", "3 ends"]);
  });

  it("lets tasks of other keys run meanwhile", async () => {
    const lock = new KeyedLock();
    const first = Promise.withResolvers<void>();
    const waiting = lock.run("a", () => first.promise);
    await lock.run("b", async () => {});
    first.resolve();
    await waiting;
  });

  it("tells its caller of a failure, and lets the next one run", async () => {
    const lock = new KeyedLock();
    const failing = lock.run("k", async () => Promise.reject(new Error("test")));
    const next = lock.run("k", async () => {});
    await expect(failing).rejects.toThrow("test");
    await expect(next).resolves.toBeUndefined();
  });
});
