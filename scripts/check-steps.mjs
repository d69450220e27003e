// The steps of `npm run check` around the tests. Each tells how much it saw: a step that saw nothing has proven nothing.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { checkoutPath } from "./checkout.mjs";
import { isTableCurrent, tableOf } from "./conformance-files.mjs";
import { runTool } from "./run-tool.mjs";

/**
 * @typedef {{ ok: boolean, seen: number, unit: string, output: string }} StepResult
 * @typedef {{ title: string, run: (nodePath: string) => Promise<StepResult> }} Step
 */

/** @type {readonly Step[]} */
export const checkSteps = [
  { title: "format", run: checkFormat },
  { title: "lint, type-aware", run: checkLint },
  { title: "types of packages and tests", run: checkTypes },
  { title: "types of scripts", run: checkScriptTypes },
  { title: "knip", run: (nodePath) => checkUnused(nodePath, []) },
  { title: "knip --strict", run: (nodePath) => checkUnused(nodePath, ["--strict"]) },
  { title: "boundaries", run: checkBoundaries },
];

/**
 * Whether docs/conformance.md says what the tests have just shown.
 * @param {string} resultsPath
 * @returns {Step}
 */
export function conformanceStep(resultsPath) {
  return { title: "conformance table", run: async () => checkConformance(resultsPath) };
}

async function checkFormat(nodePath) {
  const { code, output } = await runTool(nodePath, "oxfmt", ["--check", "."]);
  return stepResult(code, countIn(output, /on (\d+) files/), "files", output);
}

async function checkLint(nodePath) {
  const { code, output } = await runTool(nodePath, "oxlint", [
    "--type-aware",
    "--deny-warnings",
    "--format",
    "json",
    ".",
  ]);
  const report = parseLintReport(output);
  if (!report) return stepResult(1, 0, "files", output);
  return stepResult(
    code,
    report.number_of_files,
    "files",
    report.diagnostics.map(describeFinding).join("\n"),
  );
}

/** Undefined where oxlint had something else to say, such as what is wrong with its configuration. */
function parseLintReport(output) {
  try {
    return JSON.parse(output);
  } catch {
    return undefined;
  }
}

/** One line per finding: the linter's own drawings fill screens when there are many. */
function describeFinding({ filename, labels, message, help, code }) {
  const { line, column } = labels[0]?.span ?? { line: 1, column: 1 };
  return `${filename}:${line}:${column} ${message} ${help ?? ""} [${code}]`;
}

/** `tsc -b` says nothing of what it looked at; its build info does, and it must be there for every project. */
async function checkTypes(nodePath) {
  const { code, output } = await runTool(nodePath, "tsc", ["-b"]);
  const counts = projectConfigs().map(countSources);
  const empty = projectConfigs().filter((_, index) => counts[index] === 0);
  const complaint = empty.map((path) => `${path}: no source was compiled\n`).join("");
  const seen = counts.reduce((sum, count) => sum + count, 0);
  return stepResult(empty.length > 0 ? 1 : code, seen, "sources", output + complaint);
}

/** The scripts are JavaScript, checked with looser rules, and therefore a project of their own. */
async function checkScriptTypes(nodePath) {
  const { code, output } = await runTool(nodePath, "tsc", ["-p", "scripts", "--listFiles"]);
  const isListed = (line) => line.startsWith("/") && !line.includes(": error ");
  const isOurs = (line) => line.startsWith(checkoutPath) && !line.includes("/node_modules/");
  const lines = output.split("\n");
  const complaints = lines.filter((line) => !isListed(line)).join("\n");
  return stepResult(code, lines.filter((line) => isListed(line) && isOurs(line)).length, "files", complaints);
}

async function checkUnused(nodePath, mode) {
  const reporters = ["--reporter", "symbols", "--reporter", "./scripts/knip-count-reporter.mjs"];
  const { code, output } = await runTool(nodePath, "knip", ["--no-progress", ...mode, ...reporters]);
  return stepResult(code, countIn(output, /^knip saw (\d+) files$/m), "files", output);
}

/** Plants a violation of every rule; that the sources themselves hold none is what lint and types have just shown. */
async function checkBoundaries(nodePath) {
  const args = ["run", "--root", checkoutPath, "--reporter=default", "scripts/boundaries.test.ts"];
  const { code, output } = await runTool(nodePath, "vitest", args);
  return stepResult(
    code,
    countIn(output, /Tests.*?(\d+) passed/),
    "planted violations and counter-proofs",
    output,
  );
}

function checkConformance(resultsPath) {
  const { markdown, problems, statementCount, testCount } = tableOf(resultsPath);
  const isCurrent = isTableCurrent(markdown);
  const complaints = [
    ...problems,
    ...(isCurrent ? [] : ["docs/conformance.md is out of date: npm run conformance"]),
  ];
  const seen = statementCount > 0 ? testCount : 0;
  return stepResult(complaints.length > 0 ? 1 : 0, seen, "tests that cite statements", complaints.join("\n"));
}

function stepResult(code, seen, unit, output) {
  return { ok: code === 0 && seen > 0, seen, unit, output };
}

function countIn(output, pattern) {
  return Number(pattern.exec(output)?.[1] ?? 0);
}

/** The tsconfig files of the projects that `tsc -b` builds. */
function projectConfigs() {
  const { references } = readJson(join(checkoutPath, "tsconfig.json"));
  return references.map(({ path }) => (path.endsWith(".json") ? path : join(path, "tsconfig.json")));
}

function countSources(config) {
  const path = join(checkoutPath, config);
  const buildInfo = join(dirname(path), readJson(path).compilerOptions.tsBuildInfoFile);
  if (!existsSync(buildInfo)) return 0;
  const isOwn = (name) =>
    !name.includes("node_modules") && !name.endsWith(".d.ts") && !name.startsWith("lib.");
  return readJson(buildInfo).fileNames.filter(isOwn).length;
}

function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}
