import type { RecordedPosition } from "./recording.ts";

/** What a tracker would have sent: a recorded position with the speed and bearing that its receiver knew. */
export interface Movement {
  readonly vehicle: string;
  /** Where in the recording. */
  readonly atMs: number;
  readonly lat: number;
  readonly lon: number;
  readonly bearing: number | undefined;
  /** Kilometres an hour. */
  readonly speed: number | undefined;
}

const METRES_PER_DEGREE = 111_320;
/** Positions further apart in time than this say nothing about the speed now. */
const MAX_STEP_MS = 180_000;
/** Less movement than this is the receiver's noise. */
const NOISE_M = 12;

/** Speeds and bearings that a recording lacks come from the position before, of the same vehicle and trip. */
export function toMovements(positions: readonly RecordedPosition[]): Movement[] {
  const last = new Map<string, RecordedPosition & { readonly shownBearing: number | undefined }>();
  return positions.map((position) => {
    const known = last.get(position.vehicle);
    const before = known?.trip === position.trip ? known : undefined;
    const step = before && stepBetween(before, position);
    const bearing = position.bearing ?? (step && step.metres > NOISE_M ? step.bearing : before?.shownBearing);
    const isRecent = step !== undefined && step.ms > 0 && step.ms <= MAX_STEP_MS;
    const speed = position.speed ?? (isRecent ? (step.metres / step.ms) * 3_600 : undefined);
    last.set(position.vehicle, { ...position, shownBearing: bearing });
    const { vehicle, atMs, lat, lon } = position;
    return { vehicle, atMs, lat, lon, bearing, speed };
  });
}

function stepBetween(
  from: RecordedPosition,
  to: RecordedPosition,
): { readonly metres: number; readonly bearing: number; readonly ms: number } {
  const north = (to.lat - from.lat) * METRES_PER_DEGREE;
  const east = (to.lon - from.lon) * METRES_PER_DEGREE * Math.cos((from.lat * Math.PI) / 180);
  return {
    metres: Math.hypot(north, east),
    bearing: ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360,
    ms: to.atMs - from.atMs,
  };
}
