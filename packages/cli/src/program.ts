import { Command, CommanderError, type Option } from "commander";
import type { CommandContext } from "./command-context.ts";
import { CommandFailure, WrongUse } from "./command-failure.ts";
import { readVersion } from "./version.ts";

export interface BuiltCommand {
  readonly command: Command;
  /** What commander is to parse: the arguments, less what the command has read by itself. */
  readonly argv: readonly string[];
}

/** Builds a command. Its module is loaded only when it is the one that runs, so that `weir` starts fast. */
export type CreateCommand = (context: CommandContext, argv: readonly string[]) => BuiltCommand;

interface LazyCommand {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CreateCommand>;
}

const commands: readonly LazyCommand[] = [
  {
    name: "serve",
    summary: "run the broker",
    load: async () => (await import("./commands/serve.ts")).createServeCommand,
  },
  {
    name: "pub",
    summary: "publish messages, as mosquitto_pub does",
    load: async () => (await import("./commands/pub.ts")).createPubCommand,
  },
  {
    name: "sub",
    summary: "print messages, as mosquitto_sub does",
    load: async () => (await import("./commands/sub.ts")).createSubCommand,
  },
  {
    name: "token",
    summary: "make, list, change, delete access tokens",
    load: async () => (await import("./commands/token.ts")).createTokenCommand,
  },
  {
    name: "session",
    summary: "list and end sessions",
    load: async () => (await import("./commands/session.ts")).createSessionCommand,
  },
  {
    name: "policy",
    summary: "policies that tokens and groups name",
    load: async () => (await import("./commands/named.ts")).createPolicyCommand,
  },
  {
    name: "group",
    summary: "authorization groups: a claim's value to policies",
    load: async () => (await import("./commands/named.ts")).createGroupCommand,
  },
  {
    name: "provider",
    summary: "OAuth providers whose JWTs are accepted",
    load: async () => (await import("./commands/named.ts")).createProviderCommand,
  },
  {
    name: "history",
    summary: "topics that are always logged",
    load: async () => (await import("./commands/named.ts")).createHistoryCommand,
  },
  {
    name: "tenant",
    summary: "isolated topic spaces",
    load: async () => (await import("./commands/named.ts")).createTenantCommand,
  },
  {
    name: "store",
    summary: "check, measure, back up and restore the data",
    load: async () => (await import("./commands/store.ts")).createStoreCommand,
  },
  {
    name: "bench",
    summary: "load a broker and measure it",
    load: async () => (await import("./commands/bench.ts")).createBenchCommand,
  },
  {
    name: "check-config",
    summary: "check a configuration without starting",
    load: async () => (await import("./commands/check-config.ts")).createCheckConfigCommand,
  },
];

const EXAMPLES = `
Examples:
  weir serve --data ./weir-data
  weir token create --subject alice --allow subscribe:data/alice/#
  weir sub -t '#' -v

weir <command> --help tells more about each.`;

/**
 * Runs `weir` with the arguments that follow its name.
 *
 * @returns the exit code: 0 done, 1 failed, 2 wrong use
 */
export async function runProgram(argv: readonly string[], context: CommandContext): Promise<number> {
  try {
    const program = await createProgram(argv, context);
    await program.command.parseAsync(argv.length === 0 ? ["--help"] : [...program.argv], { from: "user" });
    return 0;
  } catch (error) {
    return exitCodeOf(error, context);
  }
}

async function createProgram(argv: readonly string[], context: CommandContext): Promise<BuiltCommand> {
  const program = new Command("weir")
    .description("Weir delivers to every user exactly the events that user may see.")
    .version(readVersion(), "--version", "print the version")
    .helpOption("-h, --help", "show this")
    .helpCommand(false)
    // What stands behind the command's name is the command's own.
    .enablePositionalOptions()
    .addHelpText("after", EXAMPLES);
  const chosen = commands.find(({ name }) => name === argv[0]);
  for (const { name, summary } of commands) {
    if (name !== chosen?.name) program.command(name).summary(summary);
  }
  const built = chosen && (await chosen.load())(context, argv.slice(1));
  if (built) program.addCommand(built.command.summary(chosen.summary));
  settle(program, context);
  return { command: program, argv: built ? [chosen.name, ...built.argv] : argv };
}

/** Exit codes and streams are the caller's, in every subcommand. */
function settle(command: Command, context: CommandContext): void {
  command.exitOverride();
  command.showSuggestionAfterError();
  command.configureHelp({ optionDescription: describeOption });
  command.configureOutput({
    writeOut: (text) => void context.stdout.write(text),
    writeErr: (text) => void context.stderr.write(text),
    outputError: (text, write) => write(text.replace(/^error: /, context.colors.red("Error: "))),
  });
  for (const child of command.commands) settle(child, context);
}

/** As commander's own, but empty lists, zeros and switches have no default worth telling. */
function describeOption(option: Option): string {
  const told: unknown = option.defaultValueDescription ?? option.defaultValue;
  const isTold = typeof told === "string" || (typeof told === "number" && told !== 0);
  return isTold ? `${option.description} (default: ${told})` : option.description;
}

function exitCodeOf(error: unknown, { stderr, colors }: CommandContext): number {
  if (error instanceof CommanderError) {
    const isAnswered =
      error.code === "commander.helpDisplayed" ||
      error.code === "commander.version" ||
      error.code === "commander.help";
    return isAnswered && error.exitCode === 0 ? 0 : 2;
  }
  if (error instanceof WrongUse) {
    stderr.write(`${colors.red("Error:")} ${error.message}\n`);
    return 2;
  }
  if (error instanceof CommandFailure) {
    if (error.message !== "") stderr.write(`${colors.red("Error:")} ${error.message}\n`);
    return 1;
  }
  stderr.write(
    `${colors.red("Error:")} ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return 1;
}
