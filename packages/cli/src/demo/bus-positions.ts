import { readFileSync } from "node:fs";

/** One recorded position of a bus. */
export interface BusPosition {
  readonly bus: string;
  readonly trip: string;
  readonly atMs: number;
  readonly lat: number;
  readonly lon: number;
  /** Degrees from north. */
  readonly bearing: number | undefined;
  readonly origin: string;
  readonly destination: string;
  readonly route: string;
  readonly direction: string;
}

const COLUMNS = [
  "id",
  "vehicle_id",
  "trip_id",
  "timestamp",
  "latitude",
  "longitude",
  "bearing",
  "origin",
  "destination",
  "route_name",
  "direction",
  "operator",
];

/** The recording that comes with Weir (`demo/data/ATTRIBUTION.md`). */
function shippedRecording(): string {
  return readFileSync(new URL("../../demo/data/liverpool-route14.csv", import.meta.url), "utf8");
}

/**
 * Positions out of CSV, in the order of time; those of the shipped recording where nothing else is given.
 *
 * @throws {Error} naming the line that is none
 */
export function readRecording(csv: string = shippedRecording()): BusPosition[] {
  const [header = "", ...lines] = csv.trim().split(/\r?\n/);
  if (cellsOf(header).join() !== COLUMNS.join()) {
    throw new Error(`The recording has other columns than ${COLUMNS.join(", ")}`);
  }
  return lines.map((line, i) => parsePosition(line, i + 2)).sort((a, b) => a.atMs - b.atMs);
}

function parsePosition(line: string, number: number): BusPosition {
  const [
    ,
    bus = "",
    trip = "",
    at = "",
    lat = "",
    lon = "",
    bearing = "",
    origin = "",
    destination = "",
    route = "",
    direction = "",
  ] = cellsOf(line);
  const position = {
    bus,
    trip,
    atMs: Date.parse(`${at.replace(" ", "T")}Z`),
    lat: Number(lat),
    lon: Number(lon),
    bearing: bearing === "" ? undefined : Number(bearing),
    origin: readableName(origin),
    destination: readableName(destination),
    route,
    direction,
  };
  const isWhole =
    bus !== "" && [position.atMs, position.lat, position.lon, position.bearing ?? 0].every(Number.isFinite);
  if (!isWhole) throw new Error(`Line ${number} of the recording is no position: ${line}`);
  return position;
}

/** The file quotes texts, and none of them holds a comma or a quote. */
function cellsOf(line: string): string[] {
  return line.split(",").map((cell) => cell.replace(/^"(.*)"$/, "$1"));
}

function readableName(name: string): string {
  return name.replaceAll(/_+/g, " ").trim();
}
