// `npm test`: every test of the workspace, or those that the arguments name.
import { runBootstrapped } from "./bootstrap.mjs";
import { runTests } from "./run-tests.mjs";

await runBootstrapped(async (nodePath) => {
  const { ok, closingLine } = await runTests(nodePath, process.argv.slice(2));
  console.log(closingLine);
  return ok ? 0 : 1;
});
