import { hrtime } from "node:process";

const ROUNDS = 7;
const WARM_UP = 200_000;

/** Prints what one operation costs, in nanoseconds: the best of several rounds, after a warm-up. */
export function measure(name: string, operations: number, run: (operations: number) => void): void {
  run(Math.min(WARM_UP, operations));
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = hrtime.bigint();
    run(operations);
    best = Math.min(best, Number(hrtime.bigint() - start) / operations);
  }
  console.log(`${name.padEnd(52)} ${best.toFixed(1).padStart(9)} ns`);
}
