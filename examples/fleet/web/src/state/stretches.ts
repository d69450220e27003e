import type { Fix } from "./vehicle.ts";

/** Nobody knows where a vehicle was that was silent for longer: no line is drawn over the gap. */
const MAX_GAP_MS = 3 * 60_000;

/** Cuts positions, which are in the order of time, where the vehicle was silent. */
export function stretchesOf(fixes: readonly Fix[]): Fix[][] {
  const stretches: Fix[][] = [];
  let last: Fix | undefined;
  for (const fix of fixes) {
    const stretch = stretches.at(-1);
    if (stretch && last && fix.atMs - last.atMs <= MAX_GAP_MS) stretch.push(fix);
    else stretches.push([fix]);
    last = fix;
  }
  return stretches;
}
