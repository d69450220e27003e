import { isPosition } from "./position-codec.ts";

/** Where a replay begins, as its client says it. */
export type Since =
  | { readonly kind: "time"; readonly atMs: number }
  | { readonly kind: "position"; readonly position: string };

const durationPattern = /^-(\d{1,10})(s|m|h|d|w)$/;
const unitMs: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const timePattern =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(\.\d{1,9})?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/** What `since` may be, for messages to people. */
export const sinceForms =
  "an RFC 3339 time (2026-11-20T12:00:00Z), a duration back from now (-10m, of s m h d w), or a position";

/** Undefined: it is none of the three forms. */
export function parseSince(text: string, nowMs: number): Since | undefined {
  const [, amount, unit] = durationPattern.exec(text) ?? [];
  if (unit !== undefined) return { kind: "time", atMs: nowMs - Number(amount) * (unitMs[unit] as number) };
  const atMs = parseTime(text);
  if (atMs !== undefined) return { kind: "time", atMs };
  return isPosition(text) ? { kind: "position", position: text } : undefined;
}

/** RFC 3339 without a Date: the core has none. A leap second is the second before it. */
function parseTime(text: string): number | undefined {
  const match = timePattern.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const isInRange = month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
  if (!isInRange || hour > 23 || minute > 59 || second > 60) return undefined;
  const [fraction, sign, offsetHour, offsetMinute] = match.slice(7);
  if (Number(offsetHour ?? 0) > 23 || Number(offsetMinute ?? 0) > 59) return undefined;
  const offsetMs = (Number(offsetHour ?? 0) * 60 + Number(offsetMinute ?? 0)) * 60_000;
  const localMs =
    ((daysSinceEpoch(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + Math.min(second, 59) * 1_000;
  const fractionMs = Math.floor(Number(fraction ?? 0) * 1_000);
  return localMs + fractionMs - (sign === "-" ? -offsetMs : offsetMs);
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** Of the proleptic Gregorian calendar, with years that begin in March, so that the leap day is their last. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const shifted = month > 2 ? year : year - 1;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
