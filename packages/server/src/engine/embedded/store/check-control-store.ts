import { spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Logger } from "../../../core/ports/telemetry.ts";
import { flushPath } from "../disk/node-files.ts";

export interface ControlCheck {
  /** Entries that are what was written. */
  readonly sound: number;
  readonly damaged: number;
}

/** A file that LMDB loops in is as good as unreadable. */
const deadlineMs = 120_000;

/**
 * Reads every entry in another process, also while the store is in use. Undefined where that process did not come to an
 * end, as with a broken file, and where there is no file.
 */
export async function checkControlStore(directory: string): Promise<ControlCheck | undefined> {
  return (await hasDatabase(directory)) ? run(["read", directory]) : undefined;
}

/** Of a repair: what is not complete yet, and what is and only has to take its place. */
const unfinished = "control.salvaging";
const complete = "control.repaired";

/**
 * After an unclean end: reads the store in another process, and where it is damaged puts what can be saved in its place.
 * The damaged one is kept under `damaged`. A crash in between leaves the damaged one, or a repair that is taken up again.
 */
export async function repairControlStore(root: string, logger: Logger): Promise<void> {
  const directory = join(root, "control");
  await finishRepair(root, logger);
  if (!(await hasDatabase(directory))) return;
  const found = await run(["verify", directory]);
  if (found?.damaged === 0) return;
  const salvage = join(root, unfinished);
  await fs.rm(salvage, { recursive: true, force: true });
  await fs.mkdir(salvage, { mode: 0o700 });
  // Each may end where LMDB meets the damage: from both sides, all but that is found.
  await run(["salvage", directory, salvage]);
  await run(["salvage", directory, salvage, "reverse"]);
  const saved = await run(["verify", salvage]);
  if (saved?.damaged !== 0) {
    await fs.rm(salvage, { recursive: true });
    await fs.mkdir(salvage, { mode: 0o700 });
  }
  logger.error(
    { saved: saved?.sound ?? 0, lost: found?.damaged },
    "the control store (tokens, sessions, views) is damaged: what could be read takes its place",
  );
  await fs.rename(salvage, join(root, complete));
  await flushPath(root);
  await finishRepair(root, logger);
}

/** Puts a complete repair in the place of what it was made of. */
async function finishRepair(root: string, logger: Logger): Promise<void> {
  const repaired = join(root, complete);
  if (!(await isThere(repaired))) return;
  const directory = join(root, "control");
  const aside = join(root, "damaged", `control-${Date.now()}`);
  await fs.mkdir(join(root, "damaged"), { recursive: true, mode: 0o700 });
  if (await isThere(directory)) await fs.rename(directory, aside);
  await fs.rename(repaired, directory);
  await flushPath(root);
  logger.error(
    { setAside: aside },
    "the damaged control store was set aside, what was saved of it is in use",
  );
}

async function isThere(path: string): Promise<boolean> {
  return fs.access(path).then(
    () => true,
    () => false,
  );
}

function hasDatabase(directory: string): Promise<boolean> {
  return isThere(join(directory, "data.mdb"));
}

function run(parameters: readonly string[]): Promise<ControlCheck | undefined> {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const script = fileURLToPath(new URL(`./control-checker${extension}`, import.meta.url));
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script, ...parameters], {
      stdio: ["ignore", "pipe", "ignore"],
      timeout: deadlineMs,
      killSignal: "SIGKILL",
    });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
    child.on("error", () => resolve(undefined));
    child.on("close", (code) => resolve(code === 0 ? (JSON.parse(text) as ControlCheck) : undefined));
  });
}
