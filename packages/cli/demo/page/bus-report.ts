/** What the publisher sends for a bus, on `data/{user}/{bus}`. */
export interface BusReport {
  readonly bus: string;
  readonly lat: number;
  readonly lon: number;
  /** Degrees from north; null where neither the bus nor its movement told. */
  readonly bearing: number | null;
  /** Kilometres an hour, from the last two positions; null where there is none to compare with. */
  readonly speed: number | null;
  /** When the bus was there, RFC 3339. */
  readonly at: string;
  readonly route: string;
  readonly direction: string;
  readonly destination: string;
}

/** A report out of a message; undefined for anything that is none. */
export function parseBusReport(payload: Uint8Array): BusReport | undefined {
  try {
    const value = JSON.parse(new TextDecoder().decode(payload)) as Partial<BusReport> | null;
    const isReport =
      typeof value?.bus === "string" &&
      typeof value.lat === "number" &&
      typeof value.lon === "number" &&
      typeof value.at === "string";
    return isReport ? (value as BusReport) : undefined;
  } catch {
    return undefined;
  }
}
