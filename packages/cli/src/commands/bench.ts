import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Command, Option } from "commander";
import { BenchClient, BenchRefusal, type BenchCredentials } from "../bench/bench-client.ts";
import { castOf, describePlan, type BenchLayout, type BenchPlan } from "../bench/bench-plan.ts";
import { progressText, reportText, resultOf, type BenchResult } from "../bench/bench-report.ts";
import { BenchRun, type OpenBenchClient } from "../bench/bench-run.ts";
import { STAMP_BYTES } from "../bench/bench-stamp.ts";
import { openBenchStream } from "../bench/bench-stream.ts";
import { CommandFailure, WrongUse } from "../command-failure.ts";
import type { CommandContext } from "../command-context.ts";
import { LiveLine } from "../live-line.ts";
import { parseBrokerUrl } from "../mqtt/broker-url.ts";
import { parseWhole } from "../mqtt/client-options.ts";
import { connectErrorText } from "../mqtt/open-client.ts";
import { reasonText } from "../mqtt/reason-text.ts";
import type { BuiltCommand } from "../program.ts";

interface BenchFlags {
  readonly url?: string;
  readonly username?: string;
  readonly pw?: string;
  readonly protocolVersion: "5" | "311";
  readonly layout: BenchLayout;
  readonly clients: number;
  readonly rate: number;
  readonly qos: 0 | 1 | 2;
  readonly size: number;
  readonly seconds: number;
  readonly window: number;
  readonly topic: string;
  readonly cafile?: string;
  readonly insecure?: true;
  readonly json?: true;
}

const WARM_UP_MS = 1_000;
const LIVE_INTERVAL_MS = 250;

const EXAMPLES = `
Every message is counted, and timed from when it was sent, or from when it was due where the broker did not take it.
The first second warms up and is not measured.
Exit code 1 when a message was lost.

Examples:
  weir bench --rate 10000 --clients 100
  weir bench --url ws://127.0.0.1:8080/mqtt --layout fan-out --clients 1001 --rate 100
  WEIR_TOKEN=… weir bench --topic data/alice --qos 1 --rate 0 --seconds 30`;

/** `weir bench`: load on any broker, and what became of it. */
export function createBenchCommand(context: CommandContext, argv: readonly string[]): BuiltCommand {
  const number = (minimum: number, maximum: number) => (text: string) => parseWhole(text, minimum, maximum);
  const command = new Command("bench")
    .description("Loads a broker, and tells how fast and how completely it delivers.")
    .helpOption("-h, --help", "show this")
    .option(
      "-L, --url <url>",
      "mqtt(s)://[user[:password]@]host[:port] or ws(s)://host[:port][/mqtt]; also WEIR_URL (default: mqtt://127.0.0.1:1883)",
    )
    .option("-u, --username <name>", "user name: the access token (also WEIR_TOKEN)")
    .option("-P, --pw <password>", "password")
    .option("--clients <n>", "connections in all", number(2, 60_000), 100)
    .addOption(
      new Option("--layout <layout>", "who publishes to whom")
        .choices(["pairs", "fan-in", "fan-out"])
        .default("pairs"),
    )
    .option(
      "--rate <n>",
      "messages a second in all; 0: as fast as they are delivered",
      number(0, 10_000_000),
      1_000,
    )
    .option("-q, --qos <qos>", "quality of service", number(0, 2), 0)
    .option(
      "--size <bytes>",
      `bytes of a message, from ${STAMP_BYTES}`,
      number(STAMP_BYTES, 268_000_000),
      128,
    )
    .option("--seconds <s>", "how long to measure", number(1, 86_400), 10)
    .option("--window <n>", "at rate 0: undelivered messages of a publisher", number(1, 1_000), 16)
    .option("--topic <prefix>", "what all topics begin with; the token must allow them", "bench")
    .addOption(new Option("-V, --protocol-version <version>", "5 or 311").choices(["5", "311"]).default("5"))
    .option("--cafile <file>", "authorities to trust, a PEM file")
    .option("--insecure", "do not check the server's certificate")
    .option("--json", "print the result as JSON")
    .addHelpText("after", EXAMPLES)
    .action((flags: BenchFlags) => bench(flags, context));
  return { command, argv };
}

async function bench(flags: BenchFlags, context: CommandContext): Promise<void> {
  const plan = planOf(flags);
  const { url, open } = clientsFor(flags, context.environment);
  const run = new BenchRun(plan, open);
  const line = new LiveLine(context.stderr);
  context.stderr.write(`${describePlan(plan)}, at ${url}\n`);
  try {
    await connectAll(run, plan, { url, line });
    const measured = await measure(run, plan, { line, context });
    line.clear();
    tell(resultOf(run, measured), { run, flags, context });
  } finally {
    line.clear();
    run.close();
  }
}

function planOf({ layout, clients, rate, qos, size, seconds, window, topic }: BenchFlags): BenchPlan {
  if (/[+#]/.test(topic) || topic === "")
    throw new WrongUse(`--topic "${topic}" is not the beginning of a topic.`);
  if (castOf({ layout, clients }).publishers < 1) throw new WrongUse("--clients must be 2 or more.");
  return { layout, clients, rate, qos, size, seconds, window, prefix: topic.replace(/\/+$/, "") };
}

function clientsFor(
  flags: BenchFlags,
  environment: CommandContext["environment"],
): { url: string; open: OpenBenchClient } {
  const given = flags.url ?? environment["WEIR_URL"];
  const place = parseBrokerUrl(
    given ?? "mqtt://127.0.0.1:1883",
    flags.url === undefined ? "WEIR_URL" : "--url",
  );
  const username = flags.username ?? place.username ?? environment["WEIR_TOKEN"];
  const credentials: BenchCredentials = { username, password: flags.pw ?? place.password };
  const tls = {
    ...(flags.cafile !== undefined && { ca: readPem(flags.cafile) }),
    ...(flags.insecure && { rejectUnauthorized: false }),
  };
  const open: OpenBenchClient = async (options) => {
    const stream = await openBenchStream(place.url, tls);
    const version = flags.protocolVersion === "5" ? 5 : 4;
    const client = new BenchClient(stream, { ...options, version, credentials });
    await client.connect();
    return client;
  };
  return { url: place.url, open };
}

function readPem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new WrongUse(
      `--cafile ${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}.`,
    );
  }
}

async function connectAll(
  run: BenchRun,
  plan: BenchPlan,
  { url, line }: { url: string; line: LiveLine },
): Promise<void> {
  const { publishers, subscribers } = castOf(plan);
  try {
    await run.connect((count) => line.show(`${count} of ${publishers + subscribers} clients are connected`));
  } catch (error) {
    throw connectFailure(error as Error, url);
  }
}

function connectFailure(error: Error, url: string): CommandFailure {
  if (!(error instanceof BenchRefusal)) return new CommandFailure(connectErrorText(error, url));
  if (error.message === "CONNECT")
    return new CommandFailure(connectErrorText(Object.assign(new Error(), { code: error.reasonCode }), url));
  const remedy = "Give --topic a beginning that the access token allows.";
  return new CommandFailure(`${error.message} was refused: ${reasonText(error.reasonCode)}. ${remedy}`);
}

/** Sends, and shows how it goes; Ctrl-C ends it early, with what there is. */
async function measure(
  run: BenchRun,
  { seconds }: BenchPlan,
  { line, context }: { line: LiveLine; context: CommandContext },
): Promise<{ delivered: number; seconds: number }> {
  const ended = new AbortController();
  context.onSignal(["SIGINT", "SIGTERM"], () => ended.abort());
  const sending = run.send();
  await sleepUnless(ended.signal, WARM_UP_MS);
  run.beginMeasuring();
  const delivered = run.delivered;
  const startedAtMs = performance.now();
  const elapsedS = (): number => (performance.now() - startedAtMs) / 1_000;
  while (elapsedS() < seconds && !ended.signal.aborted) {
    const before = { delivered: run.delivered, elapsedS: elapsedS() };
    await sleepUnless(ended.signal, Math.min(LIVE_INTERVAL_MS, (seconds - before.elapsedS) * 1_000));
    const perSecond = (run.delivered - before.delivered) / (elapsedS() - before.elapsedS);
    line.show(progressText(run, { elapsedS: elapsedS(), ofS: seconds, perSecond }));
  }
  const measured = { delivered: run.delivered - delivered, seconds: elapsedS() };
  run.stop();
  await sending;
  await run.drain();
  return measured;
}

async function sleepUnless(signal: AbortSignal, ms: number): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

function tell(
  result: BenchResult,
  { run, flags, context }: { run: BenchRun; flags: BenchFlags; context: CommandContext },
): void {
  const { stdout, colors } = context;
  if (flags.json) stdout.write(`${JSON.stringify(result)}\n`);
  else stdout.write(reportText(result, run.latencies, colors));
  const [lost] = run.connectionsLost;
  if (lost !== undefined)
    throw new CommandFailure(`${run.connectionsLost.length} connections were lost, the first: ${lost}.`);
  if (result.lost === 0) return;
  const refused = result.refused > 0 ? `; ${result.refused.toLocaleString("en")} were refused` : "";
  const count = `${result.lost.toLocaleString("en")} of ${result.expected.toLocaleString("en")}`;
  throw new CommandFailure(`${count} messages did not arrive${refused}.`);
}
