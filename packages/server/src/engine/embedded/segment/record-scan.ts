import { isBatchStart, isRecordAt, recordDelta, recordSize, type RecordBytes } from "./record-codec.ts";

/** Looking for the next sound record behind damage gives up after so many bytes of checksums. */
const maxSearchBytes = 256 * 1_048_576;
/** Numbers may be missing between two records, but not so many that any four bytes look like a number. */
const maxDeltaStep = 16_777_216;

export interface ScanOptions {
  readonly from: number;
  readonly to: number;
  readonly salt: number;
}

/** A stretch that holds no sound record. */
export interface DamagedRange {
  readonly start: number;
  readonly end: number;
  /** How many records were found before it. */
  readonly index: number;
  /** Whether a record behind it says that everything before had been made durable. */
  isSurelyDurable: boolean;
}

export interface Scan {
  /** Where the sound records start. */
  readonly starts: readonly number[];
  readonly damaged: readonly DamagedRange[];
}

/** Finds the records in `bytes[from..to)`, checks them, and goes on behind what is damaged. */
export function scanRecords(target: RecordBytes, { from, to, salt }: ScanOptions): Scan {
  const starts: number[] = [];
  const damaged: DamagedRange[] = [];
  let delta = -1;
  let at = from;
  while (at < to) {
    if (recordAfter(target, at, to, salt, delta)) {
      if (damaged.length > 0 && isBatchStart(target.bytes, at)) damaged.at(-1)!.isSurelyDurable = true;
      delta = recordDelta(target.view, at);
      starts.push(at);
      at += recordSize(target.view, at);
      continue;
    }
    const start = at;
    at = nextRecord(target, at + 1, { to, salt, delta });
    damaged.push({ start, end: at, index: starts.length, isSurelyDurable: false });
  }
  for (let index = damaged.length - 2; index >= 0; index--)
    damaged[index]!.isSurelyDurable ||= damaged[index + 1]!.isSurelyDurable;
  return { starts, damaged };
}

function recordAfter(target: RecordBytes, at: number, to: number, salt: number, delta: number): boolean {
  return isRecordAt(target, at, to, salt) && recordDelta(target.view, at) > delta;
}

/** Where the next sound record starts; `to` where there is none. */
function nextRecord(
  target: RecordBytes,
  from: number,
  options: { readonly to: number; readonly salt: number; readonly delta: number },
): number {
  const { to, salt, delta } = options;
  let left = maxSearchBytes;
  for (let at = from; at + 12 <= to && left > 0; at++) {
    const size = recordSize(target.view, at);
    if (at + size > to) continue;
    const step = recordDelta(target.view, at) - delta;
    if (step <= 0 || step > maxDeltaStep) continue;
    left -= size;
    if (isRecordAt(target, at, to, salt)) return at;
  }
  return to;
}
