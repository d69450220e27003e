import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { open, type RootDatabase } from "lmdb";

/** Bytes under bytes: keys and values are encoded here, not by LMDB's library. */
export function openDatabase(directory: string): RootDatabase<Buffer, Uint8Array> {
  const options = {
    path: directory,
    noSubdir: false,
    encoding: "binary" as const,
    keyEncoding: "binary" as const,
    cache: false,
    // Writes are gathered by the caller; and the library's own gathering leaves a rejection unhandled when a commit fails.
    eventTurnBatching: false,
    maxReaders: 64,
    // Else it believes after a crash in a commit that was not flushed, as long as the machine has not been restarted:
    // wrong for a disk that was copied or moved, and nobody was told that such a commit was durable. Not in its typings.
    safeRestore: true,
  };
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const database = open<Buffer, Uint8Array>(options);
  for (const name of ["data.mdb", "lock.mdb"]) chmodSync(join(directory, name), 0o600);
  return database;
}
