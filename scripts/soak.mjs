// `npm run soak`: ten minutes of fleet, with a slow client beside it. `npm run soak -- --minutes 2` for less.
import { join } from "node:path";
import { runBootstrapped } from "./bootstrap.mjs";
import { checkoutPath } from "./checkout.mjs";
import { buildFleetWeb } from "./fleet-web.mjs";
import { runInForeground } from "./run-in-foreground.mjs";

const NODE_FLAGS = ["--conditions=@weir/source", "--disable-warning=ExperimentalWarning"];
const main = join(checkoutPath, "examples", "fleet", "src", "load", "soak-main.ts");

await runBootstrapped(async (nodePath) => {
  await buildFleetWeb(nodePath);
  return runInForeground(nodePath, [...NODE_FLAGS, main, ...process.argv.slice(2)]);
});
