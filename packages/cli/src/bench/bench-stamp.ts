/** What stands at the head of each payload: when it was due, who sent it, and its number, from 1. */
export interface BenchStamp {
  readonly run: number;
  readonly publisher: number;
  readonly sequence: number;
  /** On the clock of `performance.now()`, in milliseconds. */
  readonly dueAtMs: number;
}

/** Bytes of a stamp, and so of the smallest message. */
export const STAMP_BYTES = 20;

export function writeStamp(target: Buffer, offset: number, stamp: BenchStamp): void {
  target.writeUInt32LE(stamp.run, offset);
  target.writeUInt32LE(stamp.publisher, offset + 4);
  target.writeUInt32LE(stamp.sequence, offset + 8);
  target.writeDoubleLE(stamp.dueAtMs, offset + 12);
}

/** Undefined for what has no room for a stamp. */
export function readStamp(payload: Uint8Array): BenchStamp | undefined {
  if (payload.length < STAMP_BYTES) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, STAMP_BYTES);
  return {
    run: view.getUint32(0, true),
    publisher: view.getUint32(4, true),
    sequence: view.getUint32(8, true),
    dueAtMs: view.getFloat64(12, true),
  };
}
