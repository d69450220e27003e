/** A file that is open for positioned reads and writes. */
export interface OpenFile {
  readonly path: string;
  /** Writes all of the chunks, one behind the other. Rejects with the system's error; any part may have been written. */
  write(chunks: readonly Uint8Array[], position: number): Promise<void>;
  /** Resolves with the bytes read: fewer than asked for only at the file's end. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Resolves when everything written is on the disk (fdatasync). After a failure nothing may be believed of the file. */
  flush(): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/**
 * What the log needs of a file system. It stands between the log and `node:fs` so that tests can cut the power, fill
 * the disk and break it. A name is on the disk only after `flushDirectory`.
 */
export interface Files {
  /** `write` creates the file where it is missing. */
  open(path: string, mode: "read" | "write"): Promise<OpenFile>;
  /** Empty where the directory is missing. */
  list(directory: string): Promise<readonly string[]>;
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Nothing where it is missing. */
  unlink(path: string): Promise<void>;
  flushDirectory(path: string): Promise<void>;
  /** Bytes that are free for this process. */
  freeBytes(path: string): Promise<number>;
}

/** The whole file; undefined where it is missing. */
export async function readFile(files: Files, path: string): Promise<Buffer | undefined> {
  let file: OpenFile;
  try {
    file = await files.open(path, "read");
  } catch (error) {
    if (errorCodeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.allocUnsafeSlow(await file.size());
    const length = await file.read(bytes, 0);
    return bytes.subarray(0, length);
  } finally {
    await file.close();
  }
}

/** Replaces a file as a whole: after a crash it is the old or the new one. */
export async function replaceFile(files: Files, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  await files.unlink(temporary);
  const file = await files.open(temporary, "write");
  try {
    await file.write([bytes], 0);
    await file.flush();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
}

/** `ENOSPC`, `EIO`, …; undefined for what is no system error. */
export function errorCodeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Whether a write was refused for want of space, and nothing is wrong with the disk. */
export function isNoSpace(error: unknown): boolean {
  const code = errorCodeOf(error);
  return code === "ENOSPC" || code === "EDQUOT";
}
