import { ConfigError, describeExpected, environmentName, loadConfig, settings } from "@weir/server";
import { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure } from "../command-failure.ts";
import type { BuiltCommand } from "../program.ts";
import { printTable } from "../rest/table.ts";
import { addServeOptions, toConfigFlags, type ServeFlags } from "../serve-options.ts";

interface CheckFlags extends ServeFlags {
  readonly json?: true;
  readonly keys?: true;
}

const EXAMPLES = `
Examples:
  weir check-config --config /etc/weir.yaml
  WEIR_MQTT_PORT=1884 weir check-config --json
  weir check-config --keys`;

/** `weir check-config`: what `weir serve` would run with, or everything that is wrong with it. */
export function createCheckConfigCommand(context: CommandContext, argv: readonly string[]): BuiltCommand {
  const command = addServeOptions(new Command("check-config"))
    .description("Checks the configuration as `weir serve` would read it, and starts nothing.")
    .option("--json", "print the configuration in force as JSON")
    .option("--keys", "list every key, what it takes, its default and its environment variable")
    .addHelpText("after", EXAMPLES)
    .action((flags: CheckFlags) => (flags.keys ? listKeys(flags, context) : check(flags, context)));
  return { command, argv };
}

function check(flags: CheckFlags, { environment, stdout, colors }: CommandContext): void {
  try {
    const config = loadConfig({
      file: flags.config ?? environment["WEIR_CONFIG"],
      environment,
      flags: toConfigFlags(flags),
    });
    stdout.write(
      flags.json ? `${JSON.stringify(config)}\n` : `${colors.green("The configuration is good.")}\n`,
    );
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (flags.json) stdout.write(`${JSON.stringify({ problems: error.problems })}\n`);
    throw new CommandFailure(error.message);
  }
}

function listKeys(flags: CheckFlags, context: CommandContext): void {
  const keys = settings.map(({ path, schema, fallback, about }) => ({
    key: path,
    environment: environmentName(path),
    takes: describeExpected(schema),
    default: fallback ?? null,
    about,
  }));
  if (flags.json) return void context.stdout.write(`${JSON.stringify(keys)}\n`);
  const rows = keys.map((key) => [
    key.key,
    key.default === null ? "" : JSON.stringify(key.default),
    key.takes,
    key.environment,
    key.about,
  ]);
  printTable(["KEY", "DEFAULT", "TAKES", "ENVIRONMENT", "WHAT"], rows, context);
}
