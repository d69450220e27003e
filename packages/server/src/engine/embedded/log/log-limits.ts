/** Bounds of the log. All have defaults; tests make them small. */
export interface LogLimits {
  /** A segment that has grown beyond it is followed by a new one. */
  readonly segmentBytes: number;
  /** The unit of the index and of reading. */
  readonly blockBytes: number;
  /** One write and one flush at most. */
  readonly batchBytes: number;
  /** Not yet durable, in memory; beyond it appends are refused with `overloaded`. */
  readonly pendingBytes: number;
  /** A larger record is refused with `too-large`. */
  readonly recordBytes: number;
  /** Blocks kept in memory, all tenants together. */
  readonly cacheBytes: number;
  /** What is needed by nobody stays for so long, but for what goes beyond `floorBytes`. */
  readonly floorMs: number;
  readonly floorBytes: number;
  /** Less free space than this is "disk full". */
  readonly reserveBytes: number;
  /** How long the id of an append is remembered at least. */
  readonly dedupMs: number;
  /** How many ids a tenant's log remembers at most, whatever `dedupMs` says. */
  readonly maxIds: number;
}

const mebibyte = 1_048_576;

export const defaultLogLimits: LogLimits = {
  segmentBytes: 64 * mebibyte,
  blockBytes: 65_536,
  batchBytes: 8 * mebibyte,
  pendingBytes: 64 * mebibyte,
  recordBytes: 272 * mebibyte,
  cacheBytes: 16 * mebibyte,
  floorMs: 15 * 60_000,
  floorBytes: 1_024 * mebibyte,
  reserveBytes: 256 * mebibyte,
  dedupMs: 120_000,
  maxIds: 200_000,
};
