import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cutPower } from "./power-cut-run.ts";
import { torture } from "./torture-run.ts";

// `npm run torture -- --rounds 1000`: kills brokers for as long as one likes.

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    rounds: { type: "string", default: "100" },
    "power-cuts": { type: "string" },
    help: { type: "boolean", short: "h" },
  },
});

const usage = `npm run torture -- [--rounds N | --power-cuts N] [--seed N]

Runs \`weir serve\` in a directory of its own, ends it again and again while clients use it, and checks what they got
against what was acknowledged. With --power-cuts it records what the broker does to its disk, and starts it on the disk
as cuts of the power would have left it. A failure names the seed, and keeps the data.`;

if (values.help) console.log(usage);
else await run();

async function run(): Promise<void> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "weir-torture-")));
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
  console.log(`seed ${seed}, data in ${directory}`);
  const cuts = values["power-cuts"];
  const what = cuts === undefined ? `--rounds ${values.rounds}` : `--power-cuts ${cuts}`;
  const { problems, ...counts } = await (cuts === undefined
    ? torture({ seed, rounds: Number(values.rounds), directory, onProgress: console.log })
    : cutPower({ seed, cuts: Number(cuts), directory, onProgress: console.log }));
  console.log(counts);
  if (problems.length === 0) return rmSync(directory, { recursive: true });
  console.error(`${problems.join("\n")}\n\nPlay it again with\n  npm run torture -- ${what} --seed ${seed}`);
  process.exitCode = 1;
}
