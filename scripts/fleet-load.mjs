// `npm run fleet-load`: positions a second from tracker to page, their delay, and the CPU of each part.
import { join } from "node:path";
import { runBootstrapped } from "./bootstrap.mjs";
import { checkoutPath } from "./checkout.mjs";
import { buildFleetWeb } from "./fleet-web.mjs";
import { runInForeground } from "./run-in-foreground.mjs";

const NODE_FLAGS = ["--conditions=@weir/source", "--disable-warning=ExperimentalWarning"];
const main = join(checkoutPath, "examples", "fleet", "src", "load", "main.ts");

await runBootstrapped(async (nodePath) => {
  await buildFleetWeb(nodePath);
  return runInForeground(nodePath, [...NODE_FLAGS, main, ...process.argv.slice(2)]);
});
