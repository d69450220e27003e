import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface WeirResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const FLAGS = ["--conditions=@weir/source", "--disable-warning=ExperimentalWarning"];
const WAIT_MS = 20_000;

/** A `weir` command in a process of its own. Ends with the test that uses it: `using` or `await using`. */
export class WeirProcess implements AsyncDisposable {
  readonly ended: Promise<WeirResult>;
  readonly #child: ChildProcess;
  #stdout = "";
  #stderr = "";

  /** @param environment besides PATH; nothing else of the test's own environment reaches the command */
  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}, input?: string) {
    const env = { PATH: process.env["PATH"] ?? "", ...environment };
    this.#child = spawn(process.execPath, [...FLAGS, MAIN, ...args], {
      env,
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child.stdout?.on("data", (chunk: Buffer) => (this.#stdout += chunk.toString()));
    this.#child.stderr?.on("data", (chunk: Buffer) => (this.#stderr += chunk.toString()));
    if (input !== undefined) this.#child.stdin?.end(input);
    this.ended = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", (exitCode) =>
        resolve({ exitCode, stdout: this.#stdout, stderr: this.#stderr }),
      );
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Waits until what it has printed, on either stream, matches. */
  async until(pattern: RegExp): Promise<RegExpMatchArray> {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const found = `${this.#stdout}\n${this.#stderr}`.match(pattern);
      if (found) return found;
      if (this.#child.exitCode !== null || Date.now() > deadline) {
        // Whoever started it may not have got hold of it yet.
        this.#child.kill("SIGKILL");
        throw new Error(
          `${String(pattern)} did not come. stdout:\n${this.#stdout}\nstderr:\n${this.#stderr}`,
        );
      }
      await new Promise((resolve) => void setTimeout(resolve, 20));
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}

/** Runs a `weir` command to its end. */
export function runWeir(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  input = "",
): Promise<WeirResult> {
  return new WeirProcess(args, environment, input).ended;
}
