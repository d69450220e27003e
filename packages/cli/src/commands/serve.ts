import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ConfigError,
  createBroker,
  loadConfig,
  type Broker,
  type BrokerAddresses,
  type Config,
} from "@weir/server";
import { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure } from "../command-failure.ts";
import { placeText, urlText } from "../listen-text.ts";
import type { BuiltCommand } from "../program.ts";
import { addServeOptions, toConfigFlags, type ServeFlags } from "../serve-options.ts";

const EXAMPLES = `
The configuration comes from weir.yaml, from WEIR_… variables and from these flags, each beating the one before;
\`weir check-config --keys\` lists all keys. WEIR_ADMIN_TOKEN (32 characters or more) sets the admin token.

Examples:
  weir serve
  weir serve --host 0.0.0.0 --data /var/lib/weir
  weir serve --mqtt-port 1884 --http-port 8081 --allow-anonymous`;

/** `weir serve`: the broker, until SIGTERM or SIGINT. */
export function createServeCommand(context: CommandContext, argv: readonly string[]): BuiltCommand {
  const command = addServeOptions(new Command("serve"))
    .description("Runs the broker, until Ctrl-C or SIGTERM. SIGHUP reads the configuration anew.")
    .addHelpText("after", EXAMPLES)
    .action((flags: ServeFlags) => serve(flags, context));
  return { command, argv };
}

async function serve(flags: ServeFlags, context: CommandContext): Promise<void> {
  const config = readConfig(flags, context);
  const stopped = Promise.withResolvers<NodeJS.Signals>();
  context.onSignal(["SIGTERM", "SIGINT"], stopped.resolve);
  const broker = createBroker(config, {
    adminToken: context.environment["WEIR_ADMIN_TOKEN"],
    logStream: context.stderr,
    onAdminKey: (key) => handOverAdminKey(key, config, context),
    onFatal: (error) => {
      context.stderr.write(`weir: ${error.message}\n`);
      context.exit(1);
    },
  });
  const { addresses } = await startOrExplain(broker);
  context.onSignal(["SIGHUP"], () => reload(broker, config, { flags, context }));
  tellAddresses(addresses, config, context);
  await stopped.promise;
  context.stderr.write("Stopping: what is under way is finished first; Ctrl-C again does not wait for it.\n");
  context.onSignal(["SIGTERM", "SIGINT"], () => context.exit(1));
  await broker.close();
}

function readConfig(flags: ServeFlags, { environment }: CommandContext): Config {
  try {
    return loadConfig({
      file: flags.config ?? environment["WEIR_CONFIG"],
      environment,
      flags: toConfigFlags(flags),
    });
  } catch (error) {
    throw error instanceof ConfigError ? new CommandFailure(error.message) : error;
  }
}

/** What stops a start is told in a sentence; only what nobody foresaw comes with its stack. */
export async function startOrExplain(broker: Broker): ReturnType<Broker["start"]> {
  try {
    return await broker.start();
  } catch (error) {
    if (error instanceof Error && !(error instanceof TypeError)) throw new CommandFailure(explain(error));
    throw error;
  }
}

function explain(error: Error): string {
  const { code, port, address } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  if (code !== "EADDRINUSE") return error.message;
  const what =
    port === undefined
      ? error.message
      : `cannot listen on ${address ?? "this machine"} port ${port} (${code}): another program listens there: stop it, or choose another port`;
  return `${what} (--mqtt-port, --http-port; mqtt.tls.port)`;
}

function tellAddresses(
  { mqtt, mqttTls, http }: BrokerAddresses,
  config: Config,
  { stderr, colors }: CommandContext,
): void {
  const rows: [string, string][] = [["MQTT", `mqtt://${placeText(mqtt)}`]];
  if (mqttTls) rows.push(["MQTT over TLS", `mqtts://${placeText(mqttTls)}`]);
  rows.push(["MQTT over WebSocket", `${http.isTls ? "wss" : "ws"}://${placeText(http)}/mqtt`]);
  rows.push(["REST", `${urlText(http)}/api/v1`]);
  stderr.write(`${colors.bold("Weir is running.")}\n`);
  for (const [name, url] of rows) stderr.write(`  ${name.padEnd(21)}${colors.cyan(url)}\n`);
  stderr.write(`${stateText(config, colors)}\n`);
  if (config.anonymous.allow !== "nobody") stderr.write(`${colors.yellow(anonymousText(config))}\n`);
}

function stateText({ engine, data }: Config, { yellow }: CommandContext["colors"]): string {
  if (engine === "embedded") return `State is kept in ${data}.`;
  return yellow("State is kept in memory only: tokens, sessions and messages are gone when it stops.");
}

function anonymousText({ anonymous }: Config): string {
  const from = anonymous.allow === "everywhere" ? "from anywhere" : "from this machine";
  return `MQTT clients ${from} need no credential, and may do ${anonymous.acl ? "what anonymous.acl says" : "everything"}.`;
}

/** Once on a terminal, else in a file that nobody else may read. */
function handOverAdminKey(key: string, config: Config, { stdout, stderr, colors }: CommandContext): void {
  if (stdout.isTTY) {
    stdout.write(`Admin token, shown once: ${colors.bold(key)}\n`);
    return;
  }
  const file = join(config.data, "admin-token");
  try {
    mkdirSync(config.data, { recursive: true, mode: 0o700 });
    // Always a file of its own: one that was there could be a link, or open to somebody else.
    rmSync(file, { force: true });
    writeFileSync(file, `${key}\n`, { mode: 0o600, flag: "wx", flush: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(
      `the admin token could not be written to ${file} (${reason}), so none was made: remove what stands there, or set WEIR_ADMIN_TOKEN`,
    );
  }
  stderr.write(`The admin token is in ${file}\n`);
}

/** The log level follows at once; everything else is told and waits for the next start. */
function reload(
  broker: Broker,
  running: Config,
  { flags, context }: { flags: ServeFlags; context: CommandContext },
): void {
  let config: Config;
  try {
    config = readConfig(flags, context);
  } catch (error) {
    context.stderr.write(`The configuration was not reloaded: ${(error as Error).message}\n`);
    return;
  }
  broker.setLogLevel(config.log.level);
  context.stderr.write(`Reloaded: log.level is ${config.log.level}.\n`);
  const rest = changedKeys({ ...running, log: undefined }, { ...config, log: undefined });
  if (rest.length > 0) context.stderr.write(`Needs a restart: ${rest.join(", ")}.\n`);
}

/** The keys whose values differ, by their paths. */
function changedKeys(before: unknown, after: unknown, path = ""): string[] {
  const isSection = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isSection(before) || !isSection(after))
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [path];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) =>
    changedKeys(before[key], after[key], path === "" ? key : `${path}.${key}`),
  );
}
