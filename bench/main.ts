// `npm run bench`: Weir beside other brokers. See options.ts for what it takes.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { aedesBroker } from "./brokers/aedes-broker.ts";
import type { BrokerKind } from "./brokers/broker.ts";
import { givenBroker } from "./brokers/given-broker.ts";
import { mosquittoBroker } from "./brokers/mosquitto-broker.ts";
import { weirBroker } from "./brokers/weir-broker.ts";
import { brokerCore, generatorCore, moveToGeneratorCore } from "./cores.ts";
import { checkoutFolder } from "./folders.ts";
import { prepareGenerator } from "./generator.ts";
import { describeMachine } from "./machine.ts";
import { parseOptions, usage, type BenchOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import { benchmarksChart } from "./report/chart.ts";
import { keptSection } from "./report/kept-section.ts";
import { benchmarksPage, summaryTable, type Report } from "./report/markdown.ts";
import { lostOf } from "./report/verdict.ts";
import { countMeasurements, runScenario, type ScenarioResult } from "./run.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { scenarios } from "./scenarios/table.ts";

process.once("SIGINT", () => process.exit(130)).once("SIGTERM", () => process.exit(143));
try {
  process.exitCode = await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

/** 1 where a broker failed or Weir lost something. */
async function main(options: BenchOptions): Promise<number> {
  if (options.isHelp) process.stdout.write(usage);
  else if (options.isList) for (const { id, title } of scenarios) console.log(`${id.padEnd(16)} ${title}`);
  else return measure(options, chosenScenarios(options));
  return 0;
}

function chosenScenarios({ only }: BenchOptions): readonly Scenario[] {
  if (only.length === 0) return scenarios;
  const chosen = scenarios.filter(({ id, title }) =>
    only.some((pattern) => pattern.test(id) || pattern.test(title)),
  );
  if (chosen.length > 0) return chosen;
  throw new Error(`--only matches no scenario. There are: ${scenarios.map(({ id }) => id).join(", ")}`);
}

async function measure(options: BenchOptions, chosen: readonly Scenario[]): Promise<number> {
  checkMachine();
  prepareGenerator(options.generator);
  const machine = describeMachine();
  const brokers = chosenBrokers(options, machine.mosquitto !== "not installed");
  moveToGeneratorCore();
  const counts = chosen.map((scenario) => countMeasurements(scenario, brokers, options.rounds));
  const progress = new Progress(counts.reduce((sum, count) => sum + count, 0));
  const results: ScenarioResult[] = [];
  for (const scenario of chosen)
    results.push(await runScenario(scenario, brokers, options, progress.of(scenario)));
  const setups = brokers.map(({ name, setup }) => ({ name, setup }));
  const report = { machine, options: { rounds: options.rounds, secs: options.secs }, setups, results };
  hand(report, options);
  return isSound(results) ? 0 : 1;
}

function checkMachine(): void {
  if (process.platform !== "linux")
    throw new Error("npm run bench needs Linux: it pins processes to cores and reads /proc");
  if (availableParallelism() > Math.max(brokerCore, generatorCore)) return;
  throw new Error("npm run bench needs two cores: one for the broker, one for the generator");
}

function chosenBrokers({ also }: BenchOptions, hasMosquitto: boolean): BrokerKind[] {
  if (!hasMosquitto)
    process.stderr.write("mosquitto is not installed (Debian: apt-get install mosquitto): no ratios\n");
  const peers = hasMosquitto ? [mosquittoBroker, aedesBroker] : [aedesBroker];
  return [weirBroker, ...peers, ...also.map(givenBroker)];
}

/** Prints the table; writes what was asked for, and the documentation where the run was whole. */
function hand(report: Report, { json, only, out }: BenchOptions): void {
  console.log(summaryTable(report).join("\n"));
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`);
  if (only.length > 0 && out === undefined) return;
  const folder = resolve(out ?? join(checkoutFolder, "docs"));
  const page = join(folder, "benchmarks.md");
  const chart = join(folder, "images", "benchmarks.svg");
  mkdirSync(join(folder, "images"), { recursive: true });
  const kept = existsSync(page) ? keptSection(readFileSync(page, "utf8")) : "";
  writeFileSync(page, `${benchmarksPage(report)}${kept}`);
  writeFileSync(chart, benchmarksChart(report.results));
  execFileSync(process.execPath, [join(checkoutFolder, "node_modules/oxfmt/bin/oxfmt"), page], {
    cwd: checkoutFolder,
    stdio: "ignore",
  });
  console.log(`\nWritten: ${page}, ${chart}`);
}

function isSound(results: readonly ScenarioResult[]): boolean {
  const outcomes = results.flatMap((result) => result.outcomes);
  const hasFailed = outcomes.some(({ failure }) => failure !== undefined);
  const hasLost = outcomes.some((outcome) => outcome.name.startsWith("Weir") && lostOf(outcome) > 0);
  return !hasFailed && !hasLost;
}
