import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Credential, RunningBroker } from "./brokers/broker.ts";
import { generatorCore, onCore } from "./cores.ts";
import { cacheFolder, checkoutFolder, workFolder } from "./folders.ts";

const SHOWN_ERRORS = 3;

/** What mqttload says of latencies, in microseconds. */
export interface Latency {
  readonly n: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** The line of JSON that mqttload prints, as far as it is read here; which members are there depends on the scenario. */
export interface LoadResult {
  readonly recv_per_s: number;
  readonly lost: number;
  readonly dups: number;
  readonly stalls: number;
  readonly skipped: number;
  readonly dropped_conns: number;
  readonly lat_us: Latency;
  /** Of `offline`: stored for the session that is away, and then taken by it. */
  readonly acked: number;
  readonly enqueue_per_s: number;
  readonly enqueue_s: number;
  readonly enqueue_server_cpu_pct: number;
  readonly ack_us: Latency;
  readonly drained: number;
  readonly drain_per_s: number;
  readonly drain_server_cpu_pct: number;
  readonly conn_per_s: number;
  readonly failed: number;
  readonly opened: number;
  readonly dropped_in_hold: number;
  readonly connack_us: Latency;
  readonly server_us_per_msg: number;
  readonly server_us_per_conn: number;
  readonly gen_cpu_pct: number;
  readonly other_cpu_pct: number;
}

export interface LoadOptions {
  /** What mqttload is told, but for where the broker is and who the clients are. */
  readonly args: readonly string[];
  readonly broker: RunningBroker;
  /** Given out in turn to the connections; none: anonymous. */
  readonly credentials?: readonly Credential[];
  readonly isWebSocket?: boolean;
  /** Called at the moment when the line of JSON comes, which for `conns` is before the connections are closed. */
  readonly onResult?: () => void;
}

let program: string | undefined;

/**
 * Finds mqttload's source, builds it where that has not been done yet, and uses it from then on.
 *
 * @param path from `--generator`
 * @throws Error with how to get on
 */
export function prepareGenerator(path: string | undefined): void {
  const source = findSource(path);
  const hash = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 16);
  const built = join(cacheFolder(), `mqttload-${hash}`);
  if (!existsSync(built)) {
    try {
      execFileSync("gcc", ["-O2", "-o", built, source], { stdio: ["ignore", "ignore", "pipe"] });
    } catch (error) {
      throw new Error(
        `${source} could not be built with gcc (Debian: apt-get install gcc libc6-dev): ${String(error)}`,
        { cause: error },
      );
    }
  }
  program = built;
}

function findSource(path: string | undefined): string {
  const given = path ?? process.env["MQTTLOAD_C"];
  const source = resolve(given ?? join(checkoutFolder, "../shared/tools/mqttload.c"));
  if (existsSync(source)) return source;
  throw new Error(
    `The load generator mqttload.c is not at ${source}. It is no part of this repository: give its path with ` +
      "`npm run bench -- --generator PATH` or in MQTTLOAD_C.\n" +
      "Without it, `./bin/weir bench` measures any broker from Node.",
  );
}

/**
 * Runs mqttload on the generator's core to its end.
 *
 * @throws Error with what it complained about
 */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  if (program === undefined) throw new Error("prepareGenerator() was not called");
  const [command, ...args] = onCore(generatorCore, [program, ...options.args, ...placeArgs(options)]);
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    if (stdout === "") options.onResult?.();
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await new Promise<number | null>((settle, reject) => {
    child.once("error", reject);
    child.once("close", settle);
  });
  process.removeListener("exit", kill);
  if (code === 0 && stdout !== "") return JSON.parse(stdout) as LoadResult;
  const complaint = stderr.trim().split("\n").slice(0, SHOWN_ERRORS).join("; ");
  throw new Error(complaint || `mqttload ended with ${code}`);
}

/** The command as a person would type it to see the same. */
export function shownCommand(args: readonly string[], isWebSocket = false): string {
  return ["mqttload", ...args, ...(isWebSocket ? ["--ws"] : [])].join(" ");
}

function placeArgs({ broker, credentials = [], isWebSocket = false }: LoadOptions): string[] {
  const port = isWebSocket ? broker.webSocketPort : broker.port;
  const args = ["--port", String(port)];
  if (isWebSocket) args.push("--ws");
  if (broker.pid !== undefined) args.push("--pid", String(broker.pid));
  if (credentials.length > 0) args.push("--creds", writeCredentials(credentials));
  return args;
}

function writeCredentials(credentials: readonly Credential[]): string {
  const lines = credentials.map(({ username, password }) =>
    password === undefined ? username : `${username}\t${password}`,
  );
  const text = `${lines.join("\n")}\n`;
  const file = join(workFolder(), `creds-${createHash("sha256").update(text).digest("hex").slice(0, 16)}`);
  if (!existsSync(file)) writeFileSync(file, text, { mode: 0o600 });
  return file;
}
