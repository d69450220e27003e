// `npm run bench`: Weir measured beside other brokers, and docs/benchmarks.md written.
import { join } from "node:path";
import { runBootstrapped } from "./bootstrap.mjs";
import { checkoutPath } from "./checkout.mjs";
import { runInForeground } from "./run-in-foreground.mjs";

const NODE_FLAGS = ["--conditions=@weir/source", "--disable-warning=ExperimentalWarning"];
const main = join(checkoutPath, "bench", "main.ts");

await runBootstrapped((nodePath) =>
  runInForeground(nodePath, [...NODE_FLAGS, main, ...process.argv.slice(2)]),
);
