import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { brokerCore, onCore } from "../cores.ts";

const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 5_000;
const LAST_LINES = 10;
// Below the ports that the kernel gives to outgoing connections
const PORTS_FROM = 20_000;
const PORTS = 12_000;

export interface ProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Serving begins when something listens there. */
  readonly ports: readonly number[];
}

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A broker in a process of its own, on the brokers' core, which serves already. Its output is in `broker.log` of `cwd`. */
export class BrokerProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #logPath: string;
  readonly #ended: Promise<unknown>;

  private constructor(child: ChildProcess, pid: number, logPath: string) {
    this.pid = pid;
    this.#child = child;
    this.#logPath = logPath;
    this.#ended = once(child, "close");
    running.add(child);
    child.once("close", () => running.delete(child));
  }

  /** @throws Error with the last lines of its output if it does not come to serve */
  static async start({ command, args, cwd, env = {}, ports }: ProcessOptions): Promise<BrokerProcess> {
    const logPath = join(cwd, "broker.log");
    const log = openSync(logPath, "w");
    const [program, ...programArgs] = onCore(brokerCore, [command, ...args]);
    const environment = { PATH: process.env["PATH"], HOME: process.env["HOME"], ...env };
    const child = spawn(program, programArgs, { cwd, env: environment, stdio: ["ignore", log, log] });
    closeSync(log);
    await once(child, "spawn");
    const broker = new BrokerProcess(child, child.pid!, logPath);
    const deadlineMs = Date.now() + START_TIMEOUT_MS;
    for (const port of ports) {
      while (!(await isListening(port))) {
        if (broker.ending() === undefined && Date.now() < deadlineMs) {
          await sleep(50);
          continue;
        }
        await broker.stop();
        throw new Error(`${command} did not come to listen on port ${port}:\n${broker.#lastWords()}`);
      }
    }
    return broker;
  }

  /** How it has ended, if it has. */
  ending(): string | undefined {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) return undefined;
    return `the broker ended with ${signalCode ?? exitCode}: ${this.#lastWords()}`;
  }

  #lastWords(): string {
    return readFileSync(this.#logPath, "utf8").trimEnd().split("\n").slice(-LAST_LINES).join("\n");
  }

  /** As a crash would end it. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#ended;
    clearTimeout(timer);
  }
}

/** A port of the loopback interface on which nothing listens. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS_FROM + Math.floor(Math.random() * PORTS);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
