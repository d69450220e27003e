import type { ConfigFlag } from "@weir/server";
import type { Command } from "commander";

export interface ServeFlags {
  readonly data?: string;
  readonly mqttPort?: string;
  readonly httpPort?: string;
  readonly host?: string;
  readonly config?: string;
  readonly logLevel?: string;
  readonly allowAnonymous?: number;
}

/** Adds the flags that stand above file and environment. */
export function addServeOptions(command: Command): Command {
  return command
    .helpOption("-h, --help", "show this")
    .option("--data <dir>", "data directory (default: ./weir-data)")
    .option("--mqtt-port <n>", "port of MQTT (default: 1883)")
    .option("--http-port <n>", "port of REST and WebSocket (default: 8080)")
    .option("--host <addr>", "address to listen on (default: 127.0.0.1; all: 0.0.0.0)")
    .option("--config <file>", "configuration file (default: ./weir.yaml, if there is one)")
    .option("--log-level <level>", "debug, info, warn, error, silent")
    .option(
      "--allow-anonymous",
      "MQTT without a credential, from this machine; twice: from anywhere",
      (_, count: number) => count + 1,
      0,
    );
}

/** The flags as keys of the configuration. */
export function toConfigFlags(flags: ServeFlags): ConfigFlag[] {
  const given: [path: string, flag: string, value: string | undefined][] = [
    ["data", "--data", flags.data],
    ["mqtt.port", "--mqtt-port", flags.mqttPort],
    ["http.port", "--http-port", flags.httpPort],
    ["mqtt.host", "--host", flags.host],
    ["http.host", "--host", flags.host],
    ["log.level", "--log-level", flags.logLevel],
    [
      "anonymous.allow",
      "--allow-anonymous",
      [undefined, "loopback", "everywhere"][Math.min(flags.allowAnonymous ?? 0, 2)],
    ],
  ];
  return given.flatMap(([path, flag, value]) => (value === undefined ? [] : [{ path, flag, value }]));
}
