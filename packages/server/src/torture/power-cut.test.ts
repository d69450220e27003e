import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { missingForDiskShim } from "../../testing/torture/disk-shim.ts";
import { cutPower } from "../../testing/torture/power-cut-run.ts";

const CUTS = 4;
const SEED = 20_262;

const directory = realpathSync(mkdtempSync(join(tmpdir(), "weir-power-")));
afterAll(() => rmSync(directory, { recursive: true }));

it(`what is acknowledged survives ${CUTS} cuts of the power${missingForDiskShim ? ` (skipped: ${missingForDiskShim})` : ""}`, async ({
  skip,
}) => {
  if (missingForDiskShim !== undefined) skip(missingForDiskShim);
  const report = await cutPower({ seed: SEED, cuts: CUTS, directory });
  expect(report.problems).toEqual([]);
  expect(report.flushes).toBeGreaterThan(10);
  expect(Math.max(...report.acknowledged)).toBeGreaterThan(100);
}, 180_000);
