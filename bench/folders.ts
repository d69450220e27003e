import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const checkoutFolder: string = fileURLToPath(new URL("..", import.meta.url));

let work: string | undefined;

/** A folder for this run alone, which goes with it. */
export function workFolder(): string {
  if (work !== undefined) return work;
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return (work = folder);
}

/** What is built once and stays: outside the checkout. */
export function cacheFolder(): string {
  const base = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const folder = join(base, "weir-bench");
  mkdirSync(folder, { recursive: true });
  return folder;
}
