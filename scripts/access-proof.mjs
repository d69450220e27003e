// `npm run access-proof`: holds deliveries against a naive model of rights. `npm run access-proof -- --help` says how.
import { join } from "node:path";
import { runBootstrapped } from "./bootstrap.mjs";
import { checkoutPath } from "./checkout.mjs";
import { runInForeground } from "./run-in-foreground.mjs";

const NODE_FLAGS = ["--conditions=@weir/source", "--disable-warning=ExperimentalWarning"];
const main = join(checkoutPath, "packages", "server", "testing", "access-proof", "main.ts");

await runBootstrapped((nodePath) =>
  runInForeground(nodePath, [...NODE_FLAGS, main, ...process.argv.slice(2)]),
);
