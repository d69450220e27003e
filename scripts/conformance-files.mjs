import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { checkoutPath } from "./checkout.mjs";
import { conformanceTable } from "./conformance-table.mjs";

const tablePath = join(checkoutPath, "docs", "conformance.md");
const sourcesPath = join(checkoutPath, "packages", "server", "src", "conformance");

/**
 * Makes the table from a test run's results.
 * @param {string} resultsPath what vitest's JSON reporter wrote
 */
export function tableOf(resultsPath) {
  return conformanceTable(
    {
      statements: readJson(join(sourcesPath, "statements.json")),
      untested: readJson(join(sourcesPath, "untested.json")),
      deviations: readJson(join(sourcesPath, "deviations.json")),
      vectorDeviations: readJson(join(sourcesPath, "vector-deviations.json")),
    },
    existsSync(resultsPath) ? readResults(resultsPath) : [],
  );
}

/** @param {string} markdown */
export function writeTable(markdown) {
  writeFileSync(tablePath, markdown);
}

/** @param {string} markdown */
export function isTableCurrent(markdown) {
  return existsSync(tablePath) && readFileSync(tablePath, "utf8") === markdown;
}

/**
 * Whether a test file is one of those that the table is made of: a test of a package that cites in its own words. The
 * packet vectors do not: their names, which cite too, are mosquitto's.
 *
 * @param {string} file
 */
export function citesStatements(file) {
  if (!file.startsWith("packages/") || !file.endsWith(".test.ts")) return false;
  return readFileSync(join(checkoutPath, file), "utf8").includes("[MQTT-");
}

/** @returns {import("./conformance-table.mjs").TestResult[]} */
function readResults(path) {
  const cites = ({ name }) => citesStatements(relative(checkoutPath, name));
  return readJson(path)
    .testResults.filter(cites)
    .flatMap(({ name, assertionResults }) =>
      assertionResults.map(({ ancestorTitles, title, status }) => ({
        file: relative(checkoutPath, name),
        suite: ancestorTitles.join(", "),
        title,
        state: status,
      })),
    );
}

function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}
