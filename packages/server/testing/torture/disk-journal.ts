import { readFileSync } from "node:fs";

/** What a process did to its files, in its order: see `disk-shim.c`. */
export type DiskOperation = { readonly atMs: number } & (
  | { readonly kind: "create"; readonly path: string; readonly inode: bigint }
  | {
      readonly kind: "write";
      readonly inode: bigint;
      readonly offset: number;
      readonly data: Buffer;
      /** Durable when the call returns. */
      readonly isDurable: boolean;
    }
  | { readonly kind: "truncate"; readonly inode: bigint; readonly length: number }
  | { readonly kind: "rename" | "link"; readonly from: string; readonly to: string }
  | { readonly kind: "unlink" | "mkdir"; readonly path: string }
  | { readonly kind: "flush"; readonly path: string; readonly inode: bigint }
);

const HEAD_BYTES = 40;

/** What is at its end half written, because the process was killed, never happened. */
export function readDiskJournal(path: string): DiskOperation[] {
  const bytes = readFileSync(path);
  const operations: DiskOperation[] = [];
  for (let at = 0; at + HEAD_BYTES <= bytes.length;) {
    const pathEnd = at + HEAD_BYTES + bytes.readUInt32LE(at + 32);
    const end = pathEnd + bytes.readUInt32LE(at + 36);
    if (end > bytes.length) break;
    const names = bytes.toString("utf8", at + HEAD_BYTES, pathEnd).split("\0");
    operations.push(operationOf(bytes.subarray(at, at + HEAD_BYTES), names, bytes.subarray(pathEnd, end)));
    at = end;
  }
  return operations;
}

function operationOf(head: Buffer, [path = "", to = ""]: readonly string[], data: Buffer): DiskOperation {
  const inode = head.readBigUInt64LE(8);
  const offset = Number(head.readBigUInt64LE(16));
  const atMs = Number(head.readBigUInt64LE(24)) / 1e6;
  const kind = head.readUInt32LE(0);
  switch (kind) {
    case 1:
      return { kind: "create", atMs, path, inode };
    case 2:
      return { kind: "write", atMs, inode, offset, data, isDurable: head.readUInt32LE(4) !== 0 };
    case 3:
      return { kind: "truncate", atMs, inode, length: offset };
    case 4:
    case 5:
      return { kind: kind === 4 ? "rename" : "link", atMs, from: path, to };
    case 6:
      return { kind: "unlink", atMs, path };
    case 7:
      return { kind: "flush", atMs, path, inode };
    case 8:
      return { kind: "mkdir", atMs, path };
    default:
      throw new Error(`the journal holds an operation of kind ${kind}`);
  }
}
