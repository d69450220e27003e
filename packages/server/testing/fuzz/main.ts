import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type BrokerProcess, startBrokerProcess } from "../hostile/broker-process.ts";
import { fuzz, fuzzedLimits } from "./fuzzer.ts";

// `npm run fuzz -- --minutes 60`: attacks a broker with mutated packets for as long as one likes.

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    from: { type: "string", default: "0" },
    to: { type: "string" },
    engine: { type: "string", default: "memory" },
    minutes: { type: "string", default: "10" },
    help: { type: "boolean", short: "h" },
  },
});

const usage = `npm run fuzz -- [--seed N] [--minutes N] [--from N --to N] [--engine memory|embedded]

Attacks a broker of its own over TCP and WebSocket. A failure names the seed and the connections; play them again with
  npm run fuzz -- --seed 7 --from 1500 --to 2000`;

if (values.help) console.log(usage);
else await run();

async function run(): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), "weir-fuzz-"));
  const engine = values.engine === "embedded" ? "embedded" : "memory";
  const broker = await startBrokerProcess({ engine, data, logLevel: "error", limits: fuzzedLimits });
  try {
    await fuzzIt(broker);
  } catch (error) {
    console.error(`\n${String(error)}`);
    process.exitCode = 1;
  } finally {
    await broker.stop();
    rmSync(data, { recursive: true });
  }
}

async function fuzzIt(broker: BrokerProcess): Promise<void> {
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
  const { traffic } = await fuzz({
    broker,
    seed,
    from: Number(values.from),
    ...(values.to === undefined ? { forMs: Number(values.minutes) * 60_000 } : { to: Number(values.to) }),
    onBatch: ({ connections, measure: { liveMegabytes, openFiles } }) => {
      const line = `seed ${seed}: ${connections} connections, ${liveMegabytes.toFixed(1)} MiB, ${openFiles} files`;
      process.stdout.write(process.stdout.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
    },
  });
  const types = (set: ReadonlySet<number>): string => [...set].sort((a, b) => a - b).join(" ");
  console.log(
    `\n  ${traffic.accepted} accepted; types sent ${types(traffic.sent)}, received ${types(traffic.received)}`,
  );
}
