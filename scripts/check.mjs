// `npm run check`: everything that a change has to pass. All steps run, so that one look shows everything that is wrong.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runBootstrapped } from "./bootstrap.mjs";
import { checkSteps, conformanceStep } from "./check-steps.mjs";
import { runTests } from "./run-tests.mjs";

await runBootstrapped(async (nodePath) => {
  const failed = [];
  for (const step of checkSteps) if (!(await runStep(step, nodePath))) failed.push(step.title);
  const closingLine = await runTestSteps(nodePath, failed);
  if (failed.length > 0) console.log(`\nFailed: ${failed.join(", ")}`);
  console.log(closingLine);
  return failed.length > 0 ? 1 : 0;
});

/** The tests, and what has to be true of their results. */
async function runTestSteps(nodePath, failed) {
  const folder = mkdtempSync(join(tmpdir(), "weir-check-"));
  try {
    console.log("\n── tests");
    const resultsPath = join(folder, "results.json");
    const { ok, closingLine } = await runTests(nodePath, [], resultsPath);
    if (!ok) failed.push("tests");
    const step = conformanceStep(resultsPath);
    if (!(await runStep(step, nodePath))) failed.push(step.title);
    return closingLine;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {import("./check-steps.mjs").Step} step
 * @param {string} nodePath
 */
async function runStep(step, nodePath) {
  const startedAtMs = Date.now();
  const { ok, seen, unit, output } = await step.run(nodePath);
  const elapsedS = ((Date.now() - startedAtMs) / 1000).toFixed(1);
  console.log(`${ok ? "ok    " : "FAILED"} ${step.title}: ${seen} ${unit}, ${elapsedS} s`);
  if (!ok) console.log(seen > 0 ? output : `It saw nothing, which proves nothing.\n${output}`);
  return ok;
}
