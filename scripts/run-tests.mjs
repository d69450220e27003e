import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkoutPath } from "./checkout.mjs";
import { runInForeground } from "./run-in-foreground.mjs";

const vitest = join(checkoutPath, "node_modules", "vitest", "vitest.mjs");
const reporter = join(checkoutPath, "scripts", "totals-reporter.mjs");

/**
 * Runs vitest in front of the user and counts. A run in which no test ran has failed.
 * @param {string} nodePath
 * @param {readonly string[]} filters as vitest takes them: parts of file names, or its options
 * @param {string} [resultsPath] where to leave each test's result, as vitest's JSON reporter writes it
 * @returns {Promise<{ ok: boolean, closingLine: string }>}
 */
export async function runTests(nodePath, filters, resultsPath) {
  const folder = mkdtempSync(join(tmpdir(), "weir-test-"));
  const totalsPath = join(folder, "totals.json");
  try {
    const args = [
      vitest,
      "run",
      "--root",
      checkoutPath,
      "--reporter=default",
      `--reporter=${reporter}`,
      ...(resultsPath ? ["--reporter=json", `--outputFile.json=${resultsPath}`] : []),
      ...filters,
    ];
    const code = await runInForeground(nodePath, args, { WEIR_TEST_TOTALS: totalsPath });
    const totals = readTotals(totalsPath);
    printSkipped(totals.skippedBecause);
    return { ok: code === 0 && totals.failed === 0 && totals.passed > 0, closingLine: closingLine(totals) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** No file means that vitest ended before it had run anything: nothing passed, and that is not a success. */
function readTotals(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    process.stderr.write("vitest ended without a result: no test ran.\n");
    return { passed: 0, failed: 0, skipped: 0, skippedBecause: [] };
  }
}

/** One line per reason, with how many tests it stands for, so that a missing program is not told forty times. */
function printSkipped(skippedBecause) {
  const byReason = new Map();
  for (const { test, reason } of skippedBecause)
    byReason.set(reason, [...(byReason.get(reason) ?? []), test]);
  for (const [reason, tests] of byReason) {
    console.log(`Skipped ${tests.length}: ${reason}`);
    if (reason === "no reason given") for (const test of tests) console.log(`  ${test}`);
  }
}

function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
