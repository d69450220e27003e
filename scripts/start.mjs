// `npm start`: the broker with its demonstration.
import { join } from "node:path";
import { runBootstrapped } from "./bootstrap.mjs";
import { checkoutPath } from "./checkout.mjs";
import { runInForeground } from "./run-in-foreground.mjs";

const NODE_FLAGS = ["--conditions=@weir/source", "--disable-warning=ExperimentalWarning"];
const main = join(checkoutPath, "packages", "cli", "src", "main.ts");

await runBootstrapped((nodePath) =>
  runInForeground(nodePath, [...NODE_FLAGS, main, "demo", ...process.argv.slice(2)]),
);
