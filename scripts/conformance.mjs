// `npm run conformance`: runs the tests that cite statements of the standard, and writes docs/conformance.md from what
// they showed.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runBootstrapped } from "./bootstrap.mjs";
import { checkoutPath } from "./checkout.mjs";
import { citesStatements, tableOf, writeTable } from "./conformance-files.mjs";
import { runTests } from "./run-tests.mjs";

await runBootstrapped(async (nodePath) => {
  const folder = mkdtempSync(join(tmpdir(), "weir-conformance-"));
  try {
    const resultsPath = join(folder, "results.json");
    const { ok, closingLine } = await runTests(nodePath, citingTestFiles(), resultsPath);
    const { markdown, problems, statementCount, testCount } = tableOf(resultsPath);
    if (testCount > 0) writeTable(markdown);
    for (const problem of problems) console.log(problem);
    console.log(
      `${statementCount} statements, ${testCount} tests that cite them, ${problems.length} problems`,
    );
    console.log(closingLine);
    return ok && testCount > 0 && problems.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** The rest of the tests would change nothing in the table. */
function citingTestFiles() {
  return readdirSync(join(checkoutPath, "packages"), { withFileTypes: true }).flatMap(({ name }) => {
    const sources = join("packages", name, "src");
    return readdirSync(join(checkoutPath, sources), { encoding: "utf8", recursive: true })
      .map((file) => join(sources, file))
      .filter(citesStatements);
  });
}
