import { execFile, execFileSync } from "node:child_process";
import { openSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const source = fileURLToPath(new URL("disk-shim.c", import.meta.url));

/** Why tests that need the shim cannot run here; undefined: they can. In CI they have to. */
export const missingForDiskShim: string | undefined =
  hasCompiler() || /^(1|true)$/i.test(process.env["CI"] ?? "")
    ? undefined
    : "gcc is missing: apt-get install gcc";

/** Compiles `disk-shim.c` into a directory; returns the environment that puts it under a process. */
export async function buildDiskShim(directory: string): Promise<{ readonly LD_PRELOAD: string }> {
  const library = join(directory, "disk-shim.so");
  await promisify(execFile)("gcc", ["-O1", "-shared", "-fPIC", "-o", library, source, "-lpthread"]);
  return { LD_PRELOAD: library };
}

export interface DiskFaults {
  /** What the file system says is free, at most. */
  readonly freeBytes?: number;
  /** Every write fails so. */
  readonly write?: "ENOSPC" | "EIO";
  /** Every flush fails so. */
  readonly flush?: "ENOSPC" | "EIO";
}

/** What fails below the shim, as of now: a file that the processes it lies under have mapped. */
export class FaultyDisk {
  readonly path: string;
  readonly #descriptor: number;

  constructor(path: string) {
    this.path = path;
    this.#descriptor = openSync(path, "w+", 0o600);
    this.set({});
  }

  set({ freeBytes, write, flush }: DiskFaults): void {
    const bytes = Buffer.alloc(16);
    bytes.writeBigUInt64LE(freeBytes === undefined ? 0xffff_ffff_ffff_ffffn : BigInt(freeBytes), 0);
    bytes.writeUInt32LE(write === undefined ? 0 : constants.errno[write], 8);
    bytes.writeUInt32LE(flush === undefined ? 0 : constants.errno[flush], 12);
    writeSync(this.#descriptor, bytes, 0, bytes.length, 0);
  }
}

function hasCompiler(): boolean {
  try {
    execFileSync("gcc", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
