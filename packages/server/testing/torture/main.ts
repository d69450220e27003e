import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { torture } from "./torture-run.ts";

// `npm run torture -- --rounds 1000`: kills brokers for as long as one likes.

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    rounds: { type: "string", default: "100" },
    help: { type: "boolean", short: "h" },
  },
});

const usage = `npm run torture -- [--rounds N] [--seed N]

Runs \`weir serve\` in a directory of its own, ends it again and again while clients use it, and checks what they got
against what was acknowledged. A failure names the seed, and keeps the data.`;

if (values.help) console.log(usage);
else await run();

async function run(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "weir-torture-"));
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
  console.log(`seed ${seed}, data in ${directory}`);
  const rounds = Number(values.rounds);
  const { problems, ...counts } = await torture({ seed, rounds, directory, onProgress: console.log });
  console.log(counts);
  if (problems.length === 0) return rmSync(directory, { recursive: true });
  console.error(
    `${problems.join("\n")}\n\nPlay it again with\n  npm run torture -- --rounds ${rounds} --seed ${seed}`,
  );
  process.exitCode = 1;
}
