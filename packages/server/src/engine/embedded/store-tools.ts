import { randomBytes } from "node:crypto";
import * as fs from "node:fs/promises";
import { dirname, join } from "node:path";
import { errorCodeOf } from "./disk/files.ts";
import { flushPath, nodeFiles } from "./disk/node-files.ts";
import { checkSegment, findLogFiles, type SegmentCheck } from "./segment-check.ts";
import { checkControlStore, type ControlCheck } from "./store/check-control-store.ts";
import {
  isFormatWhole,
  newEpoch,
  readStoreFormat,
  refuseUsedDirectory,
  writeStoreFormat,
} from "./store-format.ts";

export interface StoreCheck {
  readonly format: number;
  readonly epoch: string;
  /** The file `format` and its copy; one of them is enough. */
  readonly isFormatWhole: boolean;
  readonly segments: readonly SegmentCheck[];
  /** Undefined: it is missing, or LMDB could not read its file. */
  readonly control: ControlCheck | undefined;
  /** Nothing is wrong, but for torn tails. */
  readonly isSound: boolean;
}

export interface StoreStats {
  readonly format: number;
  readonly epoch: string;
  readonly tenants: readonly { readonly tenant: string; readonly segments: number; readonly bytes: number }[];
  readonly controlBytes: number;
  /** Files that were set aside. */
  readonly damagedFiles: number;
  /** On the disk that it is on, for this process. */
  readonly freeBytes: number;
}

export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/**
 * Reads every record and every entry, and changes nothing; also while the store is in use. Rejects with StoreError for
 * what is no data directory or a newer one.
 */
export async function checkStore(
  directory: string,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<StoreCheck> {
  const { format, epoch, secret } = await readStoreFormat(nodeFiles, directory);
  const isWhole = await isFormatWhole(nodeFiles, directory);
  const logFiles = await findLogFiles(directory);
  const totalBytes = logFiles.reduce((sum, file) => sum + file.bytes, 0);
  const segments: SegmentCheck[] = [];
  let doneBytes = 0;
  for (const file of logFiles) {
    const check = await checkSegment(file, secret);
    if (check !== undefined) segments.push(check);
    onProgress({ doneBytes: (doneBytes += file.bytes), totalBytes });
  }
  const control = await checkControlStore(join(directory, "control"));
  const isSound = isWhole && control?.damaged === 0 && segments.every(isSegmentSound);
  return { format, epoch, isFormatWhole: isWhole, segments, control, isSound };
}

function isSegmentSound({ isHeaderSound, damaged }: SegmentCheck): boolean {
  return isHeaderSound && damaged.every(({ isTornTail }) => isTornTail);
}

/** What is there and how large; reads no records. Rejects as `checkStore`. */
export async function statStore(directory: string): Promise<StoreStats> {
  const { format, epoch } = await readStoreFormat(nodeFiles, directory);
  const tenants = new Map<string, { tenant: string; segments: number; bytes: number }>();
  for (const { tenant, bytes } of await findLogFiles(directory)) {
    const known = tenants.get(tenant) ?? { tenant, segments: 0, bytes: 0 };
    tenants.set(tenant, { tenant, segments: known.segments + 1, bytes: known.bytes + bytes });
  }
  const control = await fs.stat(join(directory, "control", "data.mdb")).catch(() => undefined);
  const damaged = await nodeFiles.list(join(directory, "damaged"));
  return {
    format,
    epoch,
    tenants: [...tenants.values()],
    controlBytes: control?.size ?? 0,
    damagedFiles: damaged.length,
    freeBytes: await nodeFiles.freeBytes(directory),
  };
}

/**
 * Makes a data directory of a backup. It gets an epoch of its own, so that no client believes in a position that it was
 * told by the store of before. Until all of it is on the disk it stands under another name beside the target. Rejects
 * with StoreError where the target is not empty or the backup is none.
 */
export function restoreStore(
  backup: string,
  target: string,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<void> {
  return copyStore(backup, target, { epoch: newEpoch(), onProgress });
}

/** To another disk too. Rejects as `restoreStore`; the backup stays where it was then. */
export async function moveBackup(
  backup: string,
  target: string,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<void> {
  await refuseUsedDirectory(nodeFiles, target);
  await nodeFiles.makeDirectory(dirname(target));
  try {
    await nodeFiles.rename(backup, target);
    await nodeFiles.flushDirectory(dirname(target));
  } catch (error) {
    if (errorCodeOf(error) !== "EXDEV") throw error;
    await copyStore(backup, target, { onProgress });
    await fs.rm(backup, { recursive: true });
  }
}

async function copyStore(
  source: string,
  target: string,
  { epoch, onProgress }: { epoch?: string; onProgress: (progress: Progress) => void },
): Promise<void> {
  const format = await readStoreFormat(nodeFiles, source);
  await refuseUsedDirectory(nodeFiles, target);
  const unfinished = `${target}.restoring-${randomBytes(4).toString("hex")}`;
  await nodeFiles.makeDirectory(unfinished);
  try {
    await copyFiles(source, unfinished, onProgress);
    await writeStoreFormat(nodeFiles, unfinished, { ...format, ...(epoch !== undefined && { epoch }) });
    // Takes the place of an empty directory, and of no other.
    await nodeFiles.rename(unfinished, target);
  } catch (error) {
    await fs.rm(unfinished, { recursive: true, force: true });
    throw error;
  }
  await nodeFiles.flushDirectory(dirname(target));
}

/** The log and the control store, made durable. Rejects with the system's error. */
async function copyFiles(from: string, to: string, onProgress: (progress: Progress) => void): Promise<void> {
  const files = await sizedFiles(from, ["log", "control"]);
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const folders = new Set<string>([to]);
  let doneBytes = 0;
  for (const { path, bytes } of files) {
    const target = join(to, path);
    await nodeFiles.makeDirectory(dirname(target));
    await fs.copyFile(join(from, path), target);
    await flushPath(target);
    for (let folder = dirname(target); folder.length > to.length; folder = dirname(folder))
      folders.add(folder);
    onProgress({ doneBytes: (doneBytes += bytes), totalBytes });
  }
  for (const folder of folders) await nodeFiles.flushDirectory(folder);
}

/** LMDB's table of readers belongs to the processes that had the store open. */
const notCopied = "lock.mdb";

async function sizedFiles(
  root: string,
  parts: readonly string[],
): Promise<readonly { path: string; bytes: number }[]> {
  const found: { path: string; bytes: number }[] = [];
  for (const part of parts) {
    if ((await nodeFiles.list(join(root, part))).length === 0) continue;
    const entries = await fs.readdir(join(root, part), { withFileTypes: true, recursive: true });
    for (const entry of entries) {
      if (!entry.isFile() || entry.name === notCopied) continue;
      const path = join(entry.parentPath, entry.name);
      found.push({ path: path.slice(join(root, "/").length), bytes: (await fs.stat(path)).size });
    }
  }
  return found;
}
