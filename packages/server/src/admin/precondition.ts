/**
 * In which state a change expects what it changes: with this version, 0 where it must not be there; `present` in any;
 * undefined: whatever is there, or nothing.
 */
export type Precondition = number | "present" | undefined;
