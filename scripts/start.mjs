// `npm start`: the fleet application, with everything that it needs.
import { join } from "node:path";
import { runBootstrapped } from "./bootstrap.mjs";
import { checkoutPath } from "./checkout.mjs";
import { buildFleetWeb } from "./fleet-web.mjs";
import { runInForeground } from "./run-in-foreground.mjs";

const NODE_FLAGS = ["--conditions=@weir/source", "--disable-warning=ExperimentalWarning"];
const main = join(checkoutPath, "examples", "fleet", "src", "launcher", "main.ts");

await runBootstrapped(async (nodePath) => {
  const failure = await buildFleetWeb(nodePath);
  if (failure !== undefined) {
    process.stderr.write(`The web application could not be built:\n${failure}\n`);
    return 1;
  }
  return runInForeground(nodePath, [...NODE_FLAGS, main, ...process.argv.slice(2)]);
});
