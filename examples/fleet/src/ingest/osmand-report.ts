import type { Position } from "../contract/index.ts";

/** What a tracker sent, or why it is no position: for the answer 400. */
export type ParsedReport =
  | { readonly kind: "position"; readonly position: Position }
  | { readonly kind: "invalid"; readonly reason: string };

const KMH_PER_KNOT = 1.852;
/** Times below this are seconds: it is the year 5138 in seconds, and 1973 in milliseconds. */
const MILLISECONDS_FROM = 1e11;
/** A tracker's clock may be this much ahead of ours. */
const MAX_AHEAD_MS = 24 * 3_600_000;
const OLDEST_MS = Date.UTC(2000, 0, 1);

/**
 * Reads a report in the OsmAnd form: `lat`, `lon` (or `location=lat,lon`), `timestamp` (seconds, milliseconds, or a
 * time with date; now if it is left out), `speed` in knots, `bearing` or `heading` in degrees. What else a tracker sends
 * (altitude, accuracy, batt, …) is accepted and not kept.
 */
export function parseOsmandReport(fields: Readonly<Record<string, unknown>>, nowMs: number): ParsedReport {
  const [lat, lon] = coordinatesOf(fields);
  if (!isWithin(lat, -90, 90)) return invalid("lat must be a number from -90 to 90");
  if (!isWithin(lon, -180, 180)) return invalid("lon must be a number from -180 to 180");
  const atMs = timeOf(fields["timestamp"], nowMs);
  if (!isWithin(atMs, OLDEST_MS, nowMs + MAX_AHEAD_MS))
    return invalid(
      "timestamp must be a time since 2000 and not in the future: seconds, milliseconds, or RFC 3339",
    );
  const speed = optionalNumber(fields["speed"]);
  if (speed !== null && !isWithin(speed, -1, 1_000))
    return invalid("speed must be a number of knots up to 1000");
  const bearing = optionalNumber(fields["bearing"] ?? fields["heading"]);
  if (bearing !== null && !isWithin(bearing, -360, 360))
    return invalid("bearing must be a number of degrees");
  return { kind: "position", position: toPosition({ atMs, lat, lon, speed, bearing }) };
}

/** Receivers that know no speed or bearing say -1. */
function toPosition(report: {
  readonly atMs: number;
  readonly lat: number;
  readonly lon: number;
  readonly speed: number | null;
  readonly bearing: number | null;
}): Position {
  const { atMs, lat, lon, speed, bearing } = report;
  return {
    at: new Date(atMs).toISOString(),
    lat,
    lon,
    speed: speed === null || speed < 0 ? null : Math.round(speed * KMH_PER_KNOT * 10) / 10,
    bearing: bearing === null || bearing === -1 ? null : Math.round((bearing + 360) % 360),
  };
}

function coordinatesOf(fields: Readonly<Record<string, unknown>>): [number, number] {
  const { location } = fields;
  const [lat, lon] = typeof location === "string" ? location.split(",") : [fields["lat"], fields["lon"]];
  return [numberOf(lat), numberOf(lon)];
}

function timeOf(value: unknown, nowMs: number): number {
  if (value === undefined || value === "") return nowMs;
  const number = numberOf(value);
  if (!Number.isNaN(number)) return number < MILLISECONDS_FROM ? number * 1_000 : number;
  if (typeof value !== "string") return NaN;
  const text = value.replace(" ", "T");
  return Date.parse(/(Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`);
}

function optionalNumber(value: unknown): number | null {
  return value === undefined || value === null || value === "" ? null : numberOf(value);
}

function numberOf(value: unknown): number {
  if (typeof value === "number") return value;
  return typeof value === "string" && value.trim() !== "" ? Number(value) : NaN;
}

function isWithin(value: number, low: number, high: number): boolean {
  return value >= low && value <= high;
}

function invalid(reason: string): ParsedReport {
  return { kind: "invalid", reason };
}
