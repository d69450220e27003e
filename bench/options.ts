import { parseArgs } from "node:util";

export interface BenchOptions {
  readonly only: readonly RegExp[];
  readonly rounds: number;
  readonly secs: number;
  readonly also: readonly string[];
  readonly json: string | undefined;
  readonly generator: string | undefined;
  readonly out: string | undefined;
  readonly isHelp: boolean;
  readonly isList: boolean;
}

export const usage = `npm run bench -- [options]

Compares Weir, mosquitto and aedes on this machine: broker on core 0, generator on core 1, in turn, medians.
Takes about a quarter of an hour, needs Linux with two cores or more, gcc, taskset, mosquitto, and mqttload.c.
Writes docs/benchmarks.md and its plot, unless --only leaves scenarios out.

  --only PATTERN     only scenarios whose id or title matches the regular expression; repeatable
  --list             list the scenarios
  --rounds N         rounds of each scenario (default: 3)
  --secs S           seconds of each measurement (default: 3)
  --also NAME=PORT   measure this broker too; NAME=PORT:PID tells its CPU and memory as well; repeatable
  --json FILE        write every figure of every round
  --generator FILE   mqttload.c (default: MQTTLOAD_C, or ../shared/tools/mqttload.c)
  --out FOLDER       where benchmarks.md and images/ go (default: docs)

Examples:
  npm run bench
  npm run bench -- --only 'pairs|fan' --secs 5
  npm run bench -- --only latency --also emqx=11883 --json /tmp/latency.json
`;

/** @throws Error for an option that is unknown or makes no sense */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: "string", multiple: true, default: [] },
      rounds: { type: "string", default: "3" },
      secs: { type: "string", default: "3" },
      also: { type: "string", multiple: true, default: [] },
      json: { type: "string" },
      generator: { type: "string" },
      out: { type: "string" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  return {
    only: values.only.map((pattern) => new RegExp(pattern, "i")),
    rounds: positive("--rounds", values.rounds, /^\d+$/),
    secs: positive("--secs", values.secs, /^\d+(\.\d+)?$/),
    also: values.also,
    json: values.json,
    generator: values.generator,
    out: values.out,
    isHelp: values.help,
    isList: values.list,
  };
}

function positive(option: string, text: string, pattern: RegExp): number {
  if (pattern.test(text) && Number(text) > 0) return Number(text);
  throw new Error(`${option} ${text} is not a number above 0`);
}
