import { WrongUse } from "../command-failure.ts";

const SECONDS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/**
 * A duration in seconds.
 *
 * @throws {WrongUse} for anything that is none
 * @example parseDurationS("2h") // 7200
 */
export function parseDurationS(text: string): number {
  const [, number = "", unit = ""] = /^(\d+)([smhdw]?)$/.exec(text) ?? [];
  const seconds = Number(number) * (SECONDS[unit] ?? 0);
  if (number === "" || seconds === 0)
    throw new WrongUse(`"${text}" is no duration; write 90s, 30m, 2h, 7d or 4w.`);
  return seconds;
}

/** How long ago or ahead a time is, in its largest unit: "3 h ago", "in 2 d". */
export function describeTime(time: string | undefined, nowMs: number): string {
  if (time === undefined) return "never";
  const seconds = Math.round((Date.parse(time) - nowMs) / 1000);
  const words = describeSeconds(Math.abs(seconds));
  return seconds <= 0 ? `${words} ago` : `in ${words}`;
}

export function describeSeconds(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
