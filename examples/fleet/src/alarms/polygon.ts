import type { Geofence } from "../contract/index.ts";

/** Whether a place lies within the corners (even-odd rule); degrees are taken as a plane, which areas of a city allow. */
export function isInside(corners: Geofence["corners"], lat: number, lon: number): boolean {
  let inside = false;
  let [lastLat, lastLon] = corners.at(-1) ?? [0, 0];
  for (const [cornerLat, cornerLon] of corners) {
    const crosses = cornerLat > lat !== lastLat > lat;
    if (crosses && lon < ((lastLon - cornerLon) * (lat - cornerLat)) / (lastLat - cornerLat) + cornerLon)
      inside = !inside;
    [lastLat, lastLon] = [cornerLat, cornerLon];
  }
  return inside;
}
