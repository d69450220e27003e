import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** How to start a part, and how to tell that it works. */
export interface PartDeclaration {
  /** What people call it. */
  readonly name: string;
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]];
  /** Besides PATH and HOME: nothing else of the launcher's own environment reaches a part. */
  readonly environment: Readonly<Record<string, string>>;
  /** Its output has this in it when it works. */
  readonly readyWhen: RegExp;
}

interface PartOptions extends PartDeclaration {
  /** Each line that it writes. */
  readonly onLine: (part: string, line: string) => void;
}

const READY_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 15_000;
const RESTART_AFTER_MS = 1_000;
const KEPT_LINES = 20;

/** One part of the fleet as a process of its own. If it ends without having been told to, it is started again. */
export class PartProcess {
  readonly name: string;
  readonly #options: PartOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #restart: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: PartOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Undefined while it is not running. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when it works. Rejects, with the last lines that it wrote, if it ends before or takes too long. */
  async start(): Promise<void> {
    this.#isStopped = false;
    const lines: string[] = [];
    const ready = Promise.withResolvers<void>();
    const timer = setTimeout(() => ready.reject(this.#failure("did not get ready", lines)), READY_TIMEOUT_MS);
    this.#spawn((line) => {
      if (lines.push(line) > KEPT_LINES) lines.shift();
      if (this.#options.readyWhen.test(line)) ready.resolve();
    });
    this.#ended.then(
      () => ready.reject(this.#failure("ended at once", lines)),
      (error: unknown) => ready.reject(error instanceof Error ? error : new Error(String(error))),
    );
    try {
      await ready.promise;
    } catch (error) {
      this.#child?.kill("SIGKILL");
      await this.#ended.catch(() => undefined);
      throw error;
    } finally {
      clearTimeout(timer);
    }
    this.#ended.then(
      () => this.#comeBack(),
      () => this.#comeBack(),
    );
  }

  /** Resolves when it has ended: by itself after `signal`, or by force after 15 s. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (!child) return;
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), END_TIMEOUT_MS);
    await this.#ended.catch(() => undefined);
    clearTimeout(timer);
  }

  #spawn(onLine: (line: string) => void): void {
    const { name, command, environment } = this.#options;
    const [program, ...args] = command;
    const { PATH = "", HOME = "" } = process.env;
    const child = spawn(program, args, {
      env: { PATH, HOME, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on("line", (line) => {
        onLine(line);
        this.#options.onLine(name, line);
      });
    this.#ended = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", () => {
        if (this.#child === child) this.#child = undefined;
        resolve();
      });
    });
  }

  #comeBack(): void {
    if (this.#isStopped) return;
    this.#options.onLine(this.name, "has ended, and is started again");
    this.#restart = setTimeout(() => {
      this.start().catch((error: unknown) => {
        this.#options.onLine(this.name, String(error));
        this.#comeBack();
      });
    }, RESTART_AFTER_MS);
  }

  #failure(what: string, lines: readonly string[]): Error {
    return new Error(`${this.name} ${what}.\n${lines.join("\n")}`);
  }
}
