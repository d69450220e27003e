import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { torture } from "../../testing/torture/torture-run.ts";

/** More is for hands: `npm run torture`. */
const ROUNDS = 30;
const SEED = 20_261;

const directory = mkdtempSync(join(tmpdir(), "weir-torture-"));
afterAll(() => rmSync(directory, { recursive: true }));

it(`what is acknowledged survives ${ROUNDS} ends of \`weir serve\`, by SIGKILL at any moment and by SIGTERM`, async () => {
  const report = await torture({ seed: SEED, rounds: ROUNDS, directory });
  expect(report.problems).toEqual([]);
  expect(report.killsWhileRecovering).toBeGreaterThan(0);
  expect(report.killsWhileCompacting).toBeGreaterThan(0);
  expect(report.acknowledged).toBeGreaterThan(ROUNDS * 20);
  expect(report.received).toBeGreaterThan(report.acknowledged);
}, 600_000);
