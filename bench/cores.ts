import { execFileSync } from "node:child_process";

/** The core that brokers run on. */
export const brokerCore = 0;
/** The core of the generator and of the drivers in this process. */
export const generatorCore = 1;

/** The command, held to one core. */
export function onCore(core: number, command: readonly string[]): [string, ...string[]] {
  return ["taskset", "--cpu-list", String(core), ...command];
}

/** Moves this process, all its threads, away from the brokers. */
export function moveToGeneratorCore(): void {
  const pin = ["--all-tasks", "--cpu-list", "--pid", String(generatorCore), String(process.pid)];
  try {
    execFileSync("taskset", pin, { stdio: "ignore" });
  } catch (cause) {
    throw new Error(
      "taskset, which holds a process to a core, does not work here (Debian: apt-get install util-linux)",
      {
        cause,
      },
    );
  }
}
