import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Says beside a folder that this process uses it. PGlite itself does not: two of them on one folder destroy it.
 *
 * @returns what takes the claim back
 * @throws {Error} naming the process that uses it
 */
export function claimDirectory(directory: string): () => void {
  const file = `${directory}.pid`;
  mkdirSync(dirname(file), { recursive: true });
  const holder = readHolder(file);
  if (holder !== undefined && isRunning(holder))
    throw new Error(
      `${directory} is in use by process ${holder}: end that one first. If it is another program, delete ${file}.`,
    );
  rmSync(file, { force: true });
  writeFileSync(file, String(process.pid), { flag: "wx" }); // of two at the same moment one fails
  return () => rmSync(file, { force: true });
}

function readHolder(file: string): number | undefined {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return pid !== process.pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
