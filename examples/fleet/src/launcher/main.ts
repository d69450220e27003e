// `npm start`: the whole fleet on this machine.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import pc from "picocolors";
import { endOnSignal } from "../process/end-on-signal.ts";
import { Fleet } from "./fleet.ts";
import { type FleetFlags, parseFleetFlags, USAGE, WrongUse } from "./fleet-flags.ts";
import { takenPorts } from "./taken-ports.ts";

const CHECKOUT = fileURLToPath(new URL("../../../..", import.meta.url));
const WEB = fileURLToPath(new URL("../../web/dist", import.meta.url));

function readFlags(): FleetFlags {
  try {
    const flags = parseFleetFlags(process.argv.slice(2));
    if (flags !== "help") return flags;
    process.stdout.write(`${USAGE}\n`);
    process.exit(0);
  } catch (error) {
    if (!(error instanceof WrongUse)) throw error;
    process.stderr.write(`${error.message}\n\n${USAGE}\n`);
    process.exit(2);
  }
}

function showStep(what: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\u001B[2K${pc.dim(`Starting: ${what} …`)}`);
}

function clearStep(): void {
  if (process.stdout.isTTY) process.stdout.write("\r\u001B[2K");
}

/** Parts write JSON; a person wants to know of warnings only, and who says so. */
function showWarning(part: string, line: string): void {
  const entry = parseEntry(line);
  if (entry && entry.level < 40) return;
  // While the fleet starts, what a part says in plain words is told with its failure
  if (!entry && !isRunning) return;
  process.stderr.write(`${pc.yellow(part)} ${entry ? entry.text : line}\n`);
}

function parseEntry(line: string): { readonly level: number; readonly text: string } | undefined {
  try {
    const {
      level,
      msg,
      time: _time,
      pid: _pid,
      hostname: _host,
      name: _name,
      ...rest
    } = JSON.parse(line) as Record<string, unknown>;
    return { level: Number(level), text: `${String(msg)} ${JSON.stringify(rest)}` };
  } catch {
    return undefined;
  }
}

function describe(fleet: Fleet, { mqttPort, httpPort, ingestPort }: FleetFlags): string {
  const accounts = fleet.accounts.map(
    ({ name, email, password }) => `    ${pc.bold(name.padEnd(7))} ${email.padEnd(20)} ${password}`,
  );
  return `
${pc.bold("The fleet is running.")}  Open ${pc.cyan(pc.underline(fleet.url))} and log in; two browsers show two users side by side.

${accounts.join("\n")}

    Broker    mqtt://127.0.0.1:${mqttPort}   REST http://127.0.0.1:${httpPort}/api/docs
    Trackers  http://127.0.0.1:${ingestPort}/?id=<device id>&lat=53.4&lon=-2.98   (OsmAnd protocol)

${pc.dim("Ctrl-C ends it; the data stays.")}
`;
}

let isRunning = false;
const flags = readFlags();
const directory = resolve(CHECKOUT, flags.data ?? join(".weir", "fleet"));
const fleet = new Fleet({
  directory,
  ports: {
    mqtt: flags.mqttPort,
    http: flags.httpPort,
    app: flags.appPort,
    ingest: flags.ingestPort,
    database: flags.databasePort,
  },
  databaseUrl: process.env["DATABASE_URL"],
  replaySpeed: flags.speed,
  webDirectory: existsSync(WEB) ? WEB : undefined,
  onStep: showStep,
  onLine: showWarning,
});
const taken = await takenPorts({
  ...fleet.ports,
  database: process.env["DATABASE_URL"] === undefined ? flags.databasePort : undefined,
});
if (taken.length > 0) {
  process.stderr.write(`${taken.join("\n")}\n`);
  process.exit(1);
}
endOnSignal(() => fleet.stop());
try {
  await fleet.start();
} catch (error) {
  clearStep();
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
isRunning = true;
clearStep();
process.stdout.write(describe(fleet, flags));
