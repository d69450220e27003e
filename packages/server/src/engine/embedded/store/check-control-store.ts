import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Logger } from "../../../core/ports/telemetry.ts";

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

/**
 * After an unclean end: reads the store in another process, and where it is damaged puts what can be saved in its place.
 * The damaged one is kept under `damaged`.
 */
export async function repairControlStore(root: string, logger: Logger): Promise<void> {
  const directory = join(root, "control");
  if (!(await hasDatabase(directory))) return;
  const found = await run(["verify", directory]);
  if (found?.damaged === 0) return;
  const salvage = join(root, `control.salvage-${randomBytes(4).toString("hex")}`);
  await fs.mkdir(salvage);
  // Each may end where LMDB meets the damage: from both sides, all but that is found.
  await run(["salvage", directory, salvage]);
  await run(["salvage", directory, salvage, "reverse"]);
  const saved = await run(["verify", salvage]);
  if (saved?.damaged !== 0) {
    await fs.rm(salvage, { recursive: true });
    await fs.mkdir(salvage);
  }
  const aside = join(root, "damaged", `control-${Date.now()}`);
  await fs.mkdir(join(root, "damaged"), { recursive: true });
  await fs.rename(directory, aside);
  await fs.rename(salvage, directory);
  logger.error(
    { setAside: aside, saved: saved?.sound ?? 0, lost: found?.damaged },
    "the control store (tokens, sessions, views) was damaged: it was set aside, what could be read is in use",
  );
}

async function hasDatabase(directory: string): Promise<boolean> {
  try {
    await fs.access(join(directory, "data.mdb"));
    return true;
  } catch {
    return false;
  }
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
