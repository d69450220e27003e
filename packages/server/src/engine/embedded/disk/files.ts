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
  /** Another name for a file that nobody will write again, or a copy where that cannot be. */
  link(from: string, to: string): Promise<void>;
  /** Nothing where it is missing. */
  unlink(path: string): Promise<void>;
  /** An empty one; nothing where it is missing. */
  removeDirectory(path: string): Promise<void>;
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

/** Opens a file for reading, and closes it. */
export async function withFile<T>(
  files: Files,
  path: string,
  use: (file: OpenFile) => Promise<T>,
): Promise<T> {
  const file = await files.open(path, "read");
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

const copyBytes = 1_048_576;

/** Copies the first `length` bytes, and flushes them. */
export async function copyPrefix(files: Files, from: string, to: string, length: number): Promise<void> {
  const source = await files.open(from, "read");
  const target = await files.open(to, "write");
  try {
    for (let at = 0; at < length; at += copyBytes) {
      const bytes = Buffer.allocUnsafe(Math.min(copyBytes, length - at));
      const read = await source.read(bytes, at);
      await target.write([bytes.subarray(0, read)], at);
    }
    await target.flush();
  } finally {
    await source.close();
    await target.close();
  }
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
