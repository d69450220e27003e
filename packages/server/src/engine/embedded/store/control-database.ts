import { open, type RootDatabase } from "lmdb";

/** Bytes under bytes: keys and values are encoded here, not by LMDB's library. */
export function openDatabase(directory: string): RootDatabase<Buffer, Uint8Array> {
  return open<Buffer, Uint8Array>({
    path: directory,
    noSubdir: false,
    encoding: "binary",
    keyEncoding: "binary",
    cache: false,
    maxReaders: 64,
  });
}
