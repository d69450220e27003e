import { Command } from "commander";
import { ConfigError } from "@weir/server";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure, WrongUse } from "../command-failure.ts";
import { describeDemo } from "../demo/demo-text.ts";
import { openDemo, type Demo } from "../demo/demo.ts";
import { parseWhole } from "../mqtt/client-options.ts";
import type { BuiltCommand } from "../program.ts";
import { startOrExplain } from "./serve.ts";

interface DemoFlags {
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly speed: number;
}

const DEFAULT_SPEED = 20;
const STATUS_INTERVAL_MS = 1_000;

const EXAMPLES = `
Examples:
  weir demo
  npm start -- --mqtt-port 1884 --http-port 8081 --speed 60`;

/** `weir demo`: what `npm start` runs. */
export function createDemoCommand(context: CommandContext, argv: readonly string[]): BuiltCommand {
  const port = (text: string): number => parseWhole(text, 0, 65_535);
  const command = new Command("demo")
    .description(
      "Runs the broker with the recorded buses of Liverpool's route 14 in it: three users, each sees only their own.",
    )
    .helpOption("-h, --help", "show this")
    .option("--mqtt-port <n>", "port of MQTT", port, 1883)
    .option("--http-port <n>", "port of the page, REST and WebSocket", port, 8080)
    .option("--speed <n>", "how much faster than they drove", parseSpeed, DEFAULT_SPEED)
    .addHelpText("after", EXAMPLES)
    .action((flags: DemoFlags) => run(flags, context));
  return { command, argv };
}

function parseSpeed(text: string): number {
  const speed = Number(text);
  if (speed >= 0.1 && speed <= 10_000) return speed;
  throw new WrongUse(`--speed ${text}: it must be a number from 0.1 to 10000.`);
}

async function run(flags: DemoFlags, context: CommandContext): Promise<void> {
  const stopped = Promise.withResolvers<NodeJS.Signals>();
  context.onSignal(["SIGINT", "SIGTERM", "SIGHUP"], stopped.resolve);
  const demo = await open(flags);
  context.stdout.write(describeDemo(demo, context.colors));
  const status = showStatus(demo, context);
  await stopped.promise;
  status.end();
  await demo.close();
  context.stdout.write("Stopped.\n");
}

async function open(flags: DemoFlags): Promise<Demo> {
  try {
    return await openDemo({ ...flags, start: startOrExplain });
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandFailure(error.message);
    if (error instanceof CommandFailure && error.message.includes("EADDRINUSE")) {
      throw new CommandFailure(
        `${error.message}.\nFor example: npm start -- --mqtt-port 1884 --http-port 8081`,
      );
    }
    throw error;
  }
}

/** On a terminal one line that tells that it lives. */
function showStatus(demo: Demo, { stdout, colors }: CommandContext): { end(): void } {
  if (!stdout.isTTY) return { end: () => undefined };
  const show = (): void => {
    stdout.write(
      `\r\u001b[2K${colors.green("●")} ${demo.published.toLocaleString("en")} positions published  ${colors.dim("Ctrl-C ends it")}`,
    );
  };
  const timer = setInterval(show, STATUS_INTERVAL_MS);
  return {
    end: () => {
      clearInterval(timer);
      stdout.write("\r\u001b[2K");
    },
  };
}
