import type { BusPosition } from "./bus-positions.ts";

/** What is published for a position, on `data/{user}/{bus}`. */
export interface BusReport {
  readonly bus: string;
  readonly lat: number;
  readonly lon: number;
  /** Degrees from north: the bus' own, else that of its movement. */
  readonly bearing: number | null;
  /** Kilometres an hour since the position before. */
  readonly speed: number | null;
  /** RFC 3339. */
  readonly at: string;
  readonly route: string;
  readonly direction: string;
  readonly destination: string;
}

const METRES_PER_DEGREE = 111_320;
/** Positions further apart in time than this say nothing about the speed now. */
const MAX_STEP_MS = 180_000;
/** Less movement than this is the receiver's noise. */
const NOISE_M = 12;

/** The reports of a recording, each made of a position and the one before it of the same bus and trip. */
export function toReports(positions: readonly BusPosition[]): BusReport[] {
  const last = new Map<string, { readonly position: BusPosition; readonly bearing: number | null }>();
  return positions.map((position) => {
    const known = last.get(position.bus);
    const before = known && known.position.trip === position.trip ? known : undefined;
    const moved = before && movement(before.position, position);
    const bearing =
      position.bearing ?? (moved && moved.metres > NOISE_M ? moved.bearing : (before?.bearing ?? null));
    last.set(position.bus, { position, bearing });
    return {
      bus: position.bus,
      lat: position.lat,
      lon: position.lon,
      bearing: bearing === null ? null : Math.round(bearing),
      speed:
        moved && moved.ms > 0 && moved.ms <= MAX_STEP_MS
          ? Math.round((moved.metres / moved.ms) * 36_000) / 10
          : null,
      at: new Date(position.atMs).toISOString(),
      route: position.route,
      direction: position.direction,
      destination: position.destination,
    };
  });
}

function movement(from: BusPosition, to: BusPosition): { metres: number; bearing: number; ms: number } {
  const north = (to.lat - from.lat) * METRES_PER_DEGREE;
  const east = (to.lon - from.lon) * METRES_PER_DEGREE * Math.cos((from.lat * Math.PI) / 180);
  return {
    metres: Math.hypot(north, east),
    bearing: ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360,
    ms: to.atMs - from.atMs,
  };
}
