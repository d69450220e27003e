import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { devNull } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface ServeOptions {
  readonly directory: string;
  /** Besides the harness' own. */
  readonly environment?: Readonly<Record<string, string>>;
}

const main = fileURLToPath(new URL("../../../cli/src/main.ts", import.meta.url));
const FLAGS = ["--conditions=@weir/source", "--disable-warning=ExperimentalWarning"];
const PORTS = ["--mqtt-port", "0", "--http-port", "0"];
const MQTT_ADDRESS = /mqtt:\/\/[^\s:]+:(\d+)/;
const REST_ADDRESS = /http:\/\/[^\s:]+:(\d+)\/api/;
const KEPT_CHARACTERS = 20_000;

/** `weir serve` as its users run it, on free ports of the loopback address. */
export class ServeProcess {
  /** The signal or the exit code, when the process is gone. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #port = Promise.withResolvers<number | undefined>();
  #output = "";

  constructor({ directory, environment = {} }: ServeOptions) {
    const rest = ["--config", devNull, "--data", join(directory, "data"), "--allow-anonymous"];
    this.#child = spawn(
      process.execPath,
      [...FLAGS, main, "serve", ...PORTS, ...rest, "--log-level", "warn"],
      {
        cwd: directory,
        env: {
          ...process.env,
          NODE_COMPILE_CACHE: join(directory, "compiled"),
          NO_COLOR: "1",
          ...environment,
        },
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => this.#note(text));
    this.ended = once(this.#child, "close").then(([code, signal]) => {
      this.#port.resolve(undefined);
      return String(signal ?? code);
    });
  }

  /** Of MQTT, when CONNECT is answered; undefined: it ended before. */
  get port(): Promise<number | undefined> {
    return this.#port.promise;
  }

  /** Where `/readyz`, `/metrics` and REST are, once `port` is known. */
  get httpUrl(): string {
    return `http://127.0.0.1:${REST_ADDRESS.exec(this.#output)?.[1]}`;
  }

  /** What it has written last. */
  get output(): string {
    return this.#output;
  }

  /** Gone, with all that the kernel had from it in the sockets. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<string> {
    this.#child.kill(signal);
    return this.ended;
  }

  #note(text: string): void {
    this.#output = (this.#output + text).slice(-KEPT_CHARACTERS);
    const port = MQTT_ADDRESS.exec(this.#output)?.[1];
    if (port !== undefined && this.#output.includes("Weir is running.")) this.#port.resolve(Number(port));
  }
}
