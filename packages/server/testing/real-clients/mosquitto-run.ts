import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** How a command has ended. */
export interface MosquittoResult {
  readonly exitCode: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** One run of a mosquitto command. */
export class MosquittoRun {
  readonly ended: Promise<MosquittoResult>;
  readonly #child: ChildProcess;
  readonly #stdout: Buffer[] = [];
  #stderr = "";

  /** @param input what it reads from stdin */
  constructor(program: string, args: readonly string[], input?: string) {
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stdout?.on("data", (chunk: Buffer) => this.#stdout.push(chunk));
    this.#child.stderr?.on("data", (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.#child.stdin?.end(input);
    this.ended = once(this.#child, "close").then(([exitCode]: (number | null)[]) => ({
      exitCode: exitCode ?? null,
      stdout: Buffer.concat(this.#stdout),
      stderr: this.#stderr,
    }));
  }

  /** What it has printed so far. */
  get printed(): string {
    return Buffer.concat(this.#stdout).toString();
  }

  /** What it printed until it ended by itself with 0. */
  async lines(): Promise<string[]> {
    const { exitCode, stdout, stderr } = await this.ended;
    if (exitCode !== 0) throw new Error(`ended with ${exitCode}: ${stderr}`);
    return stdout.toString().split("\n").filter(Boolean);
  }

  /** Ends it without a chance to say goodbye. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}
