const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A number of bytes for people: "512 B", "1.5 MiB". */
export function byteText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < UNITS.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}
