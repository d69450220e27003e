import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { errorCodeOf } from "./disk/files.ts";
import { nodeFiles } from "./disk/node-files.ts";
import { StoreError } from "./store-error.ts";

const reasons: Readonly<Record<string, string>> = {
  EEXIST: "it is a file",
  ENOTDIR: "a part of the path is a file",
  EACCES: "this user may not write there",
  EPERM: "this user may not write there",
  EROFS: "the file system is read-only",
  ENOENT: "nothing can be made there",
  ENOSPC: "the disk is full",
  ELOOP: "its symbolic links go round in a circle",
  ENAMETOOLONG: "the path is too long",
};

/** Makes the data directory where it is missing. Rejects with StoreError, which names the key, the value and the remedy. */
export async function prepareDataDirectory(path: string): Promise<void> {
  try {
    await nodeFiles.makeDirectory(path);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = errorCodeOf(error) ?? String(error);
    throw new StoreError(
      "unusable",
      `data is ${path}, which cannot be the data directory: ${reasons[code] ?? "the system refuses it"} (${code}); name a directory that this user may write to (--data, WEIR_DATA, or data in weir.yaml)`,
    );
  }
}
