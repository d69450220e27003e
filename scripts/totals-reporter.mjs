import { writeFileSync } from "node:fs";

/**
 * A vitest reporter that counts what ran and keeps why something did not, for the closing lines of `npm test`.
 * It writes to the file that the environment variable WEIR_TEST_TOTALS names, because only the process that started
 * vitest can print after vitest's own last word.
 */
export default class TotalsReporter {
  onTestRunEnd(testModules, unhandledErrors) {
    const totals = { passed: 0, failed: unhandledErrors.length, skipped: 0, skippedBecause: [] };
    for (const testModule of testModules) countModule(totals, testModule);
    const path = process.env["WEIR_TEST_TOTALS"];
    if (path) writeFileSync(path, JSON.stringify(totals));
  }
}

function countModule(totals, testModule) {
  const failedBefore = totals.failed;
  for (const test of testModule.children.allTests()) {
    const { state } = test.result();
    if (state === "passed") totals.passed += 1;
    else if (state === "skipped") countSkipped(totals, test);
    else totals.failed += 1;
  }
  // A file that does not load, or a hook that throws, fails no test of its own: it counts as one.
  if (!testModule.ok() && totals.failed === failedBefore) totals.failed += 1;
}

function countSkipped(totals, test) {
  totals.skipped += 1;
  totals.skippedBecause.push({
    test: `${test.module.relativeModuleId} > ${test.fullName}`,
    reason: reasonOf(test),
  });
}

function reasonOf(test) {
  const note = test.result().note;
  if (note) return note;
  for (let task = test; task && task.type !== "module"; task = task.parent) {
    const reason = task.meta().skipReason;
    if (reason) return reason;
  }
  return "no reason given";
}
