// `npm run format`: writes the formatting, everywhere or where the arguments say.
import { runBootstrapped } from "./bootstrap.mjs";
import { runTool } from "./run-tool.mjs";

await runBootstrapped(async (nodePath) => {
  const paths = process.argv.slice(2);
  const { code, output } = await runTool(nodePath, "oxfmt", [
    "--write",
    ...(paths.length > 0 ? paths : ["."]),
  ]);
  process.stdout.write(output);
  return code;
});
