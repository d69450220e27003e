import * as fs from "node:fs/promises";
import { join } from "node:path";
import { readFile } from "./disk/files.ts";
import { nodeFiles } from "./disk/node-files.ts";
import { tenantOfDirectory } from "./log/tenant-directory.ts";
import { recordDelta } from "./segment/record-codec.ts";
import { type Scan, scanRecords } from "./segment/record-scan.ts";
import { decodeSegmentHeader, headerBytes, parseSegmentName, saltOf } from "./segment/segment-header.ts";

/** A stretch of a file without a sound record. */
export interface DamagedStretch {
  readonly offset: number;
  readonly bytes: number;
  /** The numbers of the records that may have stood there; after a compaction it was fewer. `to` 0: not known. */
  readonly lost: { readonly from: number; readonly to: number };
  /** It was never acknowledged: a write that a crash cut off, or one that is under way. The next start cuts it away. */
  readonly isTornTail: boolean;
}

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
  readonly damaged: readonly DamagedStretch[];
}

export interface LogFile {
  readonly tenant: string;
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
  /** Of its tenant. */
  readonly isLast: boolean;
}

/** The files of a store's log, in order. */
export async function findLogFiles(directory: string): Promise<LogFile[]> {
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
export async function checkSegment(
  { tenant, path, name, isLast }: LogFile,
  secret: Uint8Array,
): Promise<SegmentCheck | undefined> {
  const bytes = await readFile(nodeFiles, path);
  if (bytes === undefined) return undefined;
  const header = decodeSegmentHeader(bytes);
  const place = header ?? { ...parseSegmentName(name)!, epoch: secret, tenant };
  const content = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  const from = Math.min(bytes.length, headerBytes(tenant));
  const scan = scanRecords(content, { from, to: bytes.length, salt: saltOf(place) });
  const seqs = scan.starts.map((start) => place.firstSeq + recordDelta(content.view, start));
  return {
    tenant,
    path,
    bytes: bytes.length,
    records: seqs.length,
    firstSeq: seqs[0] ?? 0,
    lastSeq: seqs.at(-1) ?? 0,
    isHeaderSound: header !== undefined,
    damaged: damagedStretches(scan, { seqs, firstSeq: place.firstSeq, isLast }),
  };
}

function damagedStretches(
  { damaged }: Scan,
  { seqs, firstSeq, isLast }: { seqs: readonly number[]; firstSeq: number; isLast: boolean },
): DamagedStretch[] {
  return damaged.map(({ start, end, index, isSurelyDurable }) => ({
    offset: start,
    bytes: end - start,
    lost: { from: (seqs[index - 1] ?? firstSeq - 1) + 1, to: (seqs[index] ?? 1) - 1 },
    isTornTail: isLast && !isSurelyDurable,
  }));
}
