const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** Milliseconds since the epoch, or undefined if the text is no RFC 3339 time with an offset. */
export function parseTime(text: string): number | undefined {
  if (!RFC_3339.test(text)) return undefined;
  const [year, month, day] = text.slice(0, 10).split("-").map(Number) as [number, number, number];
  const timeMs = Date.parse(text.replace(" ", "T").toUpperCase());
  // Date.parse takes 30 February for a day of March.
  return Number.isNaN(timeMs) || day > new Date(Date.UTC(year, month, 0)).getUTCDate() ? undefined : timeMs;
}

/** `2026-11-20T09:30:00.000Z` */
export function formatTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
