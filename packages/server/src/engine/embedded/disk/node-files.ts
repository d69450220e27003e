import * as fs from "node:fs";
import * as fsPromises from "node:fs/promises";
import { dirname } from "node:path";
import { errorCodeOf, type Files, type OpenFile } from "./files.ts";

/** IOV_MAX on Linux. */
const maxVectors = 1_024;

/** The file system of this machine. All work is done in the libuv pool. */
export const nodeFiles: Files = {
  async open(path, mode) {
    const flags = mode === "read" ? fs.constants.O_RDONLY : fs.constants.O_RDWR | fs.constants.O_CREAT;
    return new NodeFile(path, await openDescriptor(path, flags));
  },
  async list(directory) {
    try {
      return await fsPromises.readdir(directory);
    } catch (error) {
      if (errorCodeOf(error) === "ENOENT") return [];
      throw error;
    }
  },
  makeDirectory,
  rename: (from, to) => fsPromises.rename(from, to),
  async link(from, to) {
    try {
      await fsPromises.link(from, to);
    } catch (error) {
      if (errorCodeOf(error) === "ENOENT" || errorCodeOf(error) === "EEXIST") throw error;
      await fsPromises.copyFile(from, to);
      await flushPath(to);
    }
  },
  unlink: (path) => fsPromises.rm(path, { force: true }),
  async removeDirectory(path) {
    await fsPromises.rmdir(path).catch((error: unknown) => {
      if (errorCodeOf(error) !== "ENOENT") throw error;
    });
  },
  flushDirectory: flushPath,
  async freeBytes(path) {
    const { bavail, bsize } = await fsPromises.statfs(path);
    return bavail * bsize;
  },
};

/** Not `recursive`: that never comes to an end below /proc, where nothing can be made. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await fsPromises.mkdir(path, { mode: 0o700 });
  } catch (error) {
    const code = errorCodeOf(error);
    if (code === "EEXIST" && (await fsPromises.stat(path)).isDirectory()) return;
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    await fsPromises.mkdir(path, { mode: 0o700 });
  }
}

/** Makes durable what someone else has written, or the names in a directory. */
export async function flushPath(path: string): Promise<void> {
  const handle = await fsPromises.open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

class NodeFile implements OpenFile {
  readonly path: string;
  readonly #descriptor: number;
  #isClosed = false;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    let left = chunks;
    let at = position;
    while (left.length > 0) {
      const written = await this.#writeSome(left.slice(0, maxVectors), at);
      at += written;
      left = behind(left, written);
    }
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let length = 0;
    while (length < into.byteLength) {
      const bytes = await this.#readSome(into, length, position + length);
      if (bytes === 0) break;
      length += bytes;
    }
    return length;
  }

  flush(): Promise<void> {
    return call((done) => fs.fdatasync(this.#descriptor, done));
  }

  truncate(length: number): Promise<void> {
    return call((done) => fs.ftruncate(this.#descriptor, length, done));
  }

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#descriptor, (error, stats) => (error === null ? resolve(stats.size) : reject(error)));
    });
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    return call((done) => fs.close(this.#descriptor, done));
  }

  #writeSome(chunks: readonly Uint8Array[], position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.writev(this.#descriptor, chunks, position, (error, written) =>
        error === null ? resolve(written) : reject(error),
      );
    });
  }

  #readSome(into: Uint8Array, offset: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(this.#descriptor, into, offset, into.byteLength - offset, position, (error, bytes) =>
        error === null ? resolve(bytes) : reject(error),
      );
    });
  }
}

function openDescriptor(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, 0o600, (error, descriptor) =>
      error === null ? resolve(descriptor) : reject(error),
    );
  });
}

function call(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === null ? resolve() : reject(error)));
  });
}

/** What is left of the chunks behind so many bytes. */
function behind(chunks: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let skipped = bytes;
  for (const [index, chunk] of chunks.entries()) {
    if (skipped < chunk.byteLength) return [chunk.subarray(skipped), ...chunks.slice(index + 1)];
    skipped -= chunk.byteLength;
  }
  return [];
}
