export interface Timer {
  cancel(): void;
}

/** Time comes in here. The clock never jumps while the process runs, whatever happens to the machine's wall clock. */
export interface Clock {
  /** Milliseconds since the Unix epoch as of the process' start, then monotonic. Cheap enough for each message. */
  nowMs(): number;
  /** Calls back once, not earlier than `delayMs` from now and at most one tick (100 ms) later. */
  after(delayMs: number, callback: () => void): Timer;
  /** Calls back in a later turn of the event loop, after pending I/O had its chance: long work is cut into slices by it. */
  soon(callback: () => void): void;
}
