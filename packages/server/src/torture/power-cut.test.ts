import { execFileSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { cutPower } from "../../testing/torture/power-cut-run.ts";

const CUTS = 4;
const SEED = 20_262;

const directory = realpathSync(mkdtempSync(join(tmpdir(), "weir-power-")));
afterAll(() => rmSync(directory, { recursive: true }));

const isSkipped = !hasCompiler() && !/^(1|true)$/i.test(process.env["CI"] ?? "");

it(`what is acknowledged survives ${CUTS} cuts of the power${isSkipped ? " (skipped: gcc is missing: apt-get install gcc)" : ""}`, async ({
  skip,
}) => {
  if (isSkipped) skip("gcc is missing: apt-get install gcc");
  const report = await cutPower({ seed: SEED, cuts: CUTS, directory });
  expect(report.problems).toEqual([]);
  expect(report.flushes).toBeGreaterThan(10);
  expect(Math.max(...report.acknowledged)).toBeGreaterThan(100);
}, 180_000);

function hasCompiler(): boolean {
  try {
    execFileSync("gcc", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
