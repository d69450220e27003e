// `npm run setup`: installs what is missing, and nothing else.
import { runBootstrapped } from "./bootstrap.mjs";
import { stamp } from "./workspace-dependencies.mjs";

await runBootstrapped(async (nodePath) => {
  stamp();
  process.stderr.write(`Weir is ready to run with ${nodePath}\n`);
  return 0;
});
