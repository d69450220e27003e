const MINUTE_S = 60;
const HOUR_S = 3_600;
const DAY_S = 86_400;

/** How long ago, in the words of a list. */
export function agoText(atMs: number | undefined, nowMs: number): string {
  if (atMs === undefined) return "never seen";
  const seconds = Math.max(Math.round((nowMs - atMs) / 1_000), 0);
  if (seconds < 5) return "now";
  if (seconds < MINUTE_S) return `${seconds} s ago`;
  if (seconds < HOUR_S) return `${Math.floor(seconds / MINUTE_S)} min ago`;
  if (seconds < DAY_S) return `${Math.floor(seconds / HOUR_S)} h ago`;
  return `${Math.floor(seconds / DAY_S)} d ago`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function clockText(at: string): string {
  return clock.format(new Date(at));
}

/** In whole kilometres an hour. */
export function speedText(speed: number | null): string {
  return speed === null ? "–" : `${Math.round(speed)} km/h`;
}
