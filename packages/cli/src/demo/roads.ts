import type { BusPosition } from "./bus-positions.ts";

/** What the page draws below the buses: where those of the recording went, whoever owns them. */
export interface Roads {
  readonly lines: readonly (readonly (readonly [lat: number, lon: number])[])[];
  readonly places: readonly { readonly name: string; readonly lat: number; readonly lon: number }[];
}

/** A gap wider than this is no road: the receiver was silent. */
const MAX_SEGMENT_DEGREES = 0.0045;
/** Positions closer than this to the one before draw nothing but knots. */
const MIN_SEGMENT_DEGREES = 0.00025;

export function toRoads(positions: readonly BusPosition[]): Roads {
  const trips = [...Map.groupBy(positions, ({ bus, trip }) => `${bus}/${trip}`).values()];
  const longest = trips.toSorted((a, b) => b.length - a.length)[0] ?? [];
  const [start, end] = [longest[0], longest.at(-1)];
  return {
    lines: trips.flatMap(toLines),
    places: start && end ? [place(start.origin, start), place(end.destination, end)] : [],
  };
}

function place(name: string, { lat, lon }: BusPosition): Roads["places"][number] {
  return { name, lat, lon };
}

function toLines(trip: readonly BusPosition[]): [number, number][][] {
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
