import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ProofRun } from "./proof-run.ts";

// `npm run access-proof -- --minutes 60`: holds deliveries against the model of rights for as long as one likes.

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    rounds: { type: "string", default: "60" },
    engine: { type: "string" },
    minutes: { type: "string", default: "10" },
    help: { type: "boolean", short: "h" },
  },
});

const usage = `npm run access-proof -- [--seed N] [--rounds N] [--minutes N] [--engine memory|embedded]

Changes rights at random under users who publish and subscribe, and compares every delivery with a naive model.
A failure names the seed; play it again with
  npm run access-proof -- --seed 7 --minutes 0`;

if (values.help) console.log(usage);
else await run();

async function run(): Promise<void> {
  const endsAtMs = Date.now() + Number(values.minutes) * 60_000;
  let seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
  do {
    const isEmbedded = (values.engine ?? (seed % 2 === 0 ? "memory" : "embedded")) === "embedded";
    if (!(await runOne(seed, isEmbedded))) return;
    seed += 1;
  } while (Date.now() < endsAtMs);
}

async function runOne(seed: number, isEmbedded: boolean): Promise<boolean> {
  const data = isEmbedded ? mkdtempSync(join(tmpdir(), "weir-access-proof-")) : undefined;
  const run = await ProofRun.open(seed, data);
  try {
    await run.rounds(Number(values.rounds));
    const { published, refused, delivered } = run.counts;
    console.log(`seed ${seed}: ${published} published, ${refused} refused, ${delivered} delivered`);
    return true;
  } catch (error) {
    console.error(
      `${run.journal.slice(-200).join("\n")}\n\nseed ${seed}${isEmbedded ? ", embedded" : ""}: ${String(error)}`,
    );
    process.exitCode = 1;
    return false;
  } finally {
    await run.close();
    if (data !== undefined) rmSync(data, { recursive: true });
  }
}
