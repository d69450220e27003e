// `npm run torture`: ends brokers at random moments for as long as one likes. `npm run torture -- --help` says how.
import { join } from "node:path";
import { runBootstrapped } from "./bootstrap.mjs";
import { checkoutPath } from "./checkout.mjs";
import { runInForeground } from "./run-in-foreground.mjs";

const NODE_FLAGS = ["--conditions=@weir/source", "--disable-warning=ExperimentalWarning"];
const main = join(checkoutPath, "packages", "server", "testing", "torture", "main.ts");

await runBootstrapped((nodePath) =>
  runInForeground(nodePath, [...NODE_FLAGS, main, ...process.argv.slice(2)]),
);
