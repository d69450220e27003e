import type { Fix } from "./vehicle.ts";

/** Nobody knows where a vehicle was that was silent for longer: no line is drawn over the gap. */
const MAX_GAP_MS = 3 * 60_000;
/** Nothing on a road is faster, a recording that is replayed fast included: it was somewhere else in between. */
const MAX_DEGREES_PER_S = 0.002;

/** Cuts positions, which are in the order of time, where the vehicle was silent. */
export function stretchesOf(fixes: readonly Fix[]): Fix[][] {
  const stretches: Fix[][] = [];
  let last: Fix | undefined;
  for (const fix of fixes) {
    const stretch = stretches.at(-1);
    if (stretch && last && follows(last, fix)) stretch.push(fix);
    else stretches.push([fix]);
    last = fix;
  }
  return stretches;
}

function follows(last: Fix, fix: Fix): boolean {
  const seconds = (fix.atMs - last.atMs) / 1_000;
  const degrees = Math.hypot(fix.lat - last.lat, (fix.lon - last.lon) * 0.6);
  return seconds * 1_000 <= MAX_GAP_MS && degrees <= MAX_DEGREES_PER_S * Math.max(seconds, 1);
}
