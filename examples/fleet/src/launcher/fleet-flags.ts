import { parseArgs } from "node:util";

export interface FleetFlags {
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly appPort: number;
  readonly ingestPort: number;
  readonly databasePort: number;
  readonly speed: number;
  readonly data: string | undefined;
}

/** The ports that it listens on, each with the flag that chooses another one. */
export const PORT_FLAGS = [
  { name: "app", flag: "--app-port", what: "the web application" },
  { name: "mqtt", flag: "--mqtt-port", what: "the broker's MQTT" },
  { name: "http", flag: "--http-port", what: "the broker's REST and WebSocket" },
  { name: "ingest", flag: "--ingest-port", what: "where trackers send their positions" },
  { name: "database", flag: "--database-port", what: "the embedded database" },
] as const;

/** The command line cannot be understood: the message says why. */
export class WrongUse extends Error {
  override readonly name = "WrongUse";
}

export const USAGE = `Usage: npm start -- [options]

Runs the fleet application with everything that it needs: broker, database, backend,
services, and the recorded buses of Liverpool's route 14. Ctrl-C ends it; the data stays.

Options:
  --app-port <n>       the web application                        (default 3000)
  --mqtt-port <n>      the broker's MQTT                          (default 1883)
  --http-port <n>      the broker's REST and WebSocket            (default 8080)
  --ingest-port <n>    where trackers send their positions        (default 5055)
  --database-port <n>  the embedded database                      (default 5433)
  --speed <n>          how much faster than the buses drove       (default 5)
  --data <dir>         where it keeps its data                    (default .weir/fleet)
  -h, --help           show this

DATABASE_URL in the environment names a PostgreSQL to use instead of the embedded database.

Examples:
  npm start
  npm start -- --mqtt-port 1884 --http-port 8081 --app-port 3001 --speed 20
  DATABASE_URL=postgres://fleet:secret@localhost/fleet npm start`;

/** @throws {WrongUse} */
export function parseFleetFlags(args: readonly string[]): FleetFlags | "help" {
  const { values } = parseOrExplain(args);
  if (values.help) return "help";
  return {
    mqttPort: port("--mqtt-port", values["mqtt-port"], 1883),
    httpPort: port("--http-port", values["http-port"], 8080),
    appPort: port("--app-port", values["app-port"], 3000),
    ingestPort: port("--ingest-port", values["ingest-port"], 5055),
    databasePort: port("--database-port", values["database-port"], 5433),
    speed: parseSpeed(values.speed ?? "5"),
    data: values.data,
  };
}

function parseOrExplain(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        "mqtt-port": text,
        "http-port": text,
        "app-port": text,
        "ingest-port": text,
        "database-port": text,
        speed: text,
        data: text,
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new WrongUse(error instanceof Error ? error.message : String(error));
  }
}

function port(flag: string, text: string | undefined, fallback: number): number {
  const number = text === undefined ? fallback : Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= 65_535) return number;
  throw new WrongUse(`${flag} ${text}: it must be a port from 1 to 65535.`);
}

function parseSpeed(text: string): number {
  const speed = Number(text);
  if (speed >= 0.1 && speed <= 1_000) return speed;
  throw new WrongUse(`--speed ${text}: it must be a number from 0.1 to 1000.`);
}
