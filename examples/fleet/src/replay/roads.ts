import type { Roads } from "../contract/index.ts";
import type { RecordedPosition } from "./recording.ts";

/** A gap wider than this is no road: the receiver was silent. */
const MAX_SEGMENT_DEGREES = 0.0045;
/** Positions closer than this to the one before draw nothing but knots. */
const MIN_SEGMENT_DEGREES = 0.00025;

/** What recorded tracks tell of the roads, whoever drove them. */
export function toRoads(positions: readonly RecordedPosition[]): Roads {
  const trips = [...Map.groupBy(positions, ({ vehicle, trip }) => `${vehicle}/${trip}`).values()];
  const longest = trips.toSorted((a, b) => b.length - a.length)[0] ?? [];
  return {
    lines: trips.flatMap(toLines),
    places: [...place(longest[0], longest[0]?.origin), ...place(longest.at(-1), longest.at(-1)?.destination)],
  };
}

function place(position: RecordedPosition | undefined, name: string | undefined): Roads["places"] {
  return position && name ? [{ name, lat: position.lat, lon: position.lon }] : [];
}

function toLines(trip: readonly RecordedPosition[]): [number, number][][] {
  const lines: [number, number][][] = [];
  let line: [number, number][] = [];
  for (const { lat, lon } of trip) {
    const last = line.at(-1);
    const step = last ? Math.hypot(lat - last[0], (lon - last[1]) * 0.6) : Infinity;
    if (step < MIN_SEGMENT_DEGREES) continue;
    if (step > MAX_SEGMENT_DEGREES) lines.push((line = []));
    line.push([lat, lon]);
  }
  return lines.filter(({ length }) => length > 1);
}
