import * as fs from "node:fs/promises";
import { join } from "node:path";
import { readFile } from "./disk/files.ts";
import { flushPath, nodeFiles } from "./disk/node-files.ts";
import { tenantOfDirectory } from "./log/tenant-directory.ts";
import { recordDelta } from "./segment/record-codec.ts";
import { scanRecords } from "./segment/record-scan.ts";
import { decodeSegmentHeader, headerBytes, parseSegmentName, saltOf } from "./segment/segment-header.ts";
import { checkControlStore, type ControlCheck } from "./store/check-control-store.ts";
import { newEpoch, readStoreFormat, refuseUsedDirectory, writeStoreFormat } from "./store-format.ts";

/** One file of the log, read from its first to its last byte. */
export interface SegmentCheck {
  readonly tenant: string;
  readonly path: string;
  readonly bytes: number;
  readonly records: number;
  /** 0 where it has no record. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly isHeaderSound: boolean;
  /** Stretches without a sound record. At the end of a tenant's last segment that may be a torn tail, which is no damage. */
  readonly damaged: readonly { readonly offset: number; readonly bytes: number }[];
}

export interface StoreCheck {
  readonly format: number;
  readonly epoch: string;
  readonly segments: readonly SegmentCheck[];
  /** Undefined: LMDB could not read its file. */
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
}

export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

interface LogFile {
  readonly tenant: string;
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
  /** Of its tenant. */
  readonly isLast: boolean;
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
  const logFiles = await findLogFiles(directory);
  const totalBytes = logFiles.reduce((sum, file) => sum + file.bytes, 0);
  const segments: SegmentCheck[] = [];
  let doneBytes = 0;
  let isSound = true;
  for (const file of logFiles) {
    const check = await checkSegment(file, secret);
    if (check === undefined) continue;
    segments.push(check);
    const damaged = check.damaged.filter(({ offset, bytes }) => !file.isLast || offset + bytes < check.bytes);
    isSound &&= check.isHeaderSound && damaged.length === 0;
    onProgress({ doneBytes: (doneBytes += file.bytes), totalBytes });
  }
  const control = await checkControlStore(join(directory, "control"));
  return { format, epoch, segments, control, isSound: isSound && control?.damaged === 0 };
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
  };
}

/**
 * Makes a data directory of a backup. It gets an epoch of its own, so that no client believes in a position that it was
 * told by the store of before. Rejects with StoreError where the target is not empty or the backup is none.
 */
export async function restoreStore(backup: string, target: string): Promise<void> {
  const format = await readStoreFormat(nodeFiles, backup);
  await refuseUsedDirectory(nodeFiles, target);
  await fs.mkdir(target, { recursive: true, mode: 0o700 });
  for (const part of ["log", "control"]) {
    const source = join(backup, part);
    if ((await nodeFiles.list(source)).length === 0) continue;
    await fs.cp(source, join(target, part), { recursive: true });
  }
  await flushAll(target);
  await writeStoreFormat(nodeFiles, target, { ...format, epoch: newEpoch() });
}

async function flushAll(directory: string): Promise<void> {
  for (const entry of await fs.readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await flushAll(path);
    else await flushPath(path);
  }
  await nodeFiles.flushDirectory(directory);
}

async function findLogFiles(directory: string): Promise<LogFile[]> {
  const found: LogFile[] = [];
  const root = join(directory, "log");
  for (const folder of await nodeFiles.list(root)) {
    const tenant = tenantOfDirectory(folder);
    if (tenant === undefined) continue;
    const names = (await nodeFiles.list(join(root, folder))).filter((name) => parseSegmentName(name)).sort();
    for (const name of names) {
      const path = join(root, folder, name);
      const stats = await fs.stat(path).catch(() => undefined);
      if (stats !== undefined)
        found.push({ tenant, path, name, bytes: stats.size, isLast: name === names.at(-1) });
    }
  }
  return found;
}

/** Undefined: compacted away meanwhile. */
async function checkSegment(
  { tenant, path, name }: LogFile,
  secret: Uint8Array,
): Promise<SegmentCheck | undefined> {
  const bytes = await readFile(nodeFiles, path);
  if (bytes === undefined) return undefined;
  const header = decodeSegmentHeader(bytes);
  const place = header ?? { ...parseSegmentName(name)!, epoch: secret, tenant };
  const content = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  const from = Math.min(bytes.length, headerBytes(tenant));
  const { starts, damaged } = scanRecords(content, { from, to: bytes.length, salt: saltOf(place) });
  const seqOf = (start: number | undefined): number =>
    start === undefined ? 0 : place.firstSeq + recordDelta(content.view, start);
  return {
    tenant,
    path,
    bytes: bytes.length,
    records: starts.length,
    firstSeq: seqOf(starts[0]),
    lastSeq: seqOf(starts.at(-1)),
    isHeaderSound: header !== undefined,
    damaged: damaged.map(({ start, end }) => ({ offset: start, bytes: end - start })),
  };
}
