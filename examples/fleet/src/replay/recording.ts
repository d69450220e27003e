/** One recorded position of a vehicle. */
export interface RecordedPosition {
  readonly vehicle: string;
  /** What it was driving; positions of different trips are not joined by a line. */
  readonly trip: string;
  readonly atMs: number;
  readonly lat: number;
  readonly lon: number;
  /** Degrees from north. */
  readonly bearing: number | undefined;
  /** Kilometres an hour. */
  readonly speed: number | undefined;
  readonly origin: string | undefined;
  readonly destination: string | undefined;
}

/** What a column may be called. Those with `!` are needed. */
const COLUMNS = {
  vehicle: ["vehicle_id", "vehicle", "device", "!"],
  atMs: ["timestamp", "time", "at", "!"],
  lat: ["latitude", "lat", "!"],
  lon: ["longitude", "lon", "lng", "!"],
  trip: ["trip_id", "trip"],
  bearing: ["bearing", "heading", "course"],
  speed: ["speed"],
  origin: ["origin"],
  destination: ["destination"],
} as const;

type Column = keyof typeof COLUMNS;

/**
 * Positions out of CSV (a header line names the columns) or GPX, in the order of time.
 *
 * @throws {Error} naming the column that is missing, or the line that is no position
 */
export function readRecording(text: string): RecordedPosition[] {
  const positions = /^\s*<(\?xml|gpx)/i.test(text) ? readGpx(text) : readCsv(text);
  if (positions.length === 0) throw new Error("the recording holds no position");
  return positions.sort((a, b) => a.atMs - b.atMs);
}

function readCsv(text: string): RecordedPosition[] {
  const [header = "", ...lines] = text.trim().split(/\r?\n/);
  const indexes = findColumns(cellsOf(header));
  return lines.map((line, i) => {
    const cells = cellsOf(line);
    const cell = (column: Column): string => cells[indexes[column] ?? -1] ?? "";
    return checked(
      {
        vehicle: cell("vehicle"),
        trip: cell("trip"),
        atMs: parseTime(cell("atMs")),
        lat: number(cell("lat")) ?? NaN,
        lon: number(cell("lon")) ?? NaN,
        bearing: number(cell("bearing")),
        speed: number(cell("speed")),
        origin: placeName(cell("origin")),
        destination: placeName(cell("destination")),
      },
      `line ${i + 2}: ${line}`,
    );
  });
}

function findColumns(names: readonly string[]): Record<Column, number> {
  const lower = names.map((name) => name.toLowerCase());
  const entries = Object.entries(COLUMNS).map(([column, known]) => {
    const index = lower.findIndex((name) => (known as readonly string[]).includes(name));
    if (index === -1 && known.at(-1) === "!")
      throw new Error(`the recording has no column ${known.slice(0, -1).join(" or ")}`);
    return [column, index];
  });
  return Object.fromEntries(entries) as Record<Column, number>;
}

/** A cell may be quoted, and then hold commas and doubled quotes. */
function cellsOf(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "",
  );
}

/** Each track is a vehicle of its own, by its name. */
function readGpx(text: string): RecordedPosition[] {
  return [...text.matchAll(/<trk>([\s\S]*?)<\/trk>/gi)].flatMap(([, track = ""], i) => {
    const vehicle = element(track.replace(/<trkseg[\s\S]*/i, ""), "name") ?? `track ${i + 1}`;
    return [...track.matchAll(/<trkpt\b([^>]*)>([\s\S]*?)<\/trkpt>/gi)].map(
      ([whole, attributes = "", body = ""]) => {
        const metresPerSecond = number(element(body, "speed") ?? "");
        return checked(
          {
            vehicle,
            trip: "",
            atMs: parseTime(element(body, "time") ?? ""),
            lat: number(attribute(attributes, "lat")) ?? NaN,
            lon: number(attribute(attributes, "lon")) ?? NaN,
            bearing: number(element(body, "course") ?? ""),
            speed: metresPerSecond === undefined ? undefined : metresPerSecond * 3.6,
            origin: undefined,
            destination: undefined,
          },
          whole,
        );
      },
    );
  });
}

function element(xml: string, name: string): string | undefined {
  return new RegExp(`<(?:\\w+:)?${name}>([^<]*)<`, "i").exec(xml)?.[1]?.trim();
}

function attribute(attributes: string, name: string): string {
  return new RegExp(`\\b${name}\\s*=\\s*["']([^"']*)["']`, "i").exec(attributes)?.[1] ?? "";
}

/** Without a zone it is UTC. */
function parseTime(text: string): number {
  const isZoned = /(Z|[+-]\d\d:?\d\d)$/i.test(text);
  return Date.parse(isZoned ? text : `${text.replace(" ", "T")}Z`);
}

function number(text: string): number | undefined {
  return text === "" ? undefined : Number(text);
}

function placeName(name: string): string | undefined {
  return name === "" ? undefined : name.replaceAll(/_+/g, " ").trim();
}

function checked(position: RecordedPosition, where: string): RecordedPosition {
  const { vehicle, atMs, lat, lon, bearing = 0, speed = 0 } = position;
  const isWhole = vehicle !== "" && [atMs, lat, lon, bearing, speed].every(Number.isFinite);
  if (!isWhole) throw new Error(`the recording holds something that is no position: ${where}`);
  return position;
}
