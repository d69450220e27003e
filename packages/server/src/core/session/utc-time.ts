const DAY_MS = 86_400_000;
/** 400 years of the Gregorian calendar: then it repeats. */
const ERA_DAYS = 146_097;
/** From 1 March of the year 0, where an era begins, to the epoch. */
const EPOCH_DAYS = 719_468;

/**
 * `2026-11-20T09:30:00.000Z`, without a look at any clock or time zone (RFC 3339).
 *
 * @param timeMs since the epoch, of the years 0 to 9999
 */
export function formatUtc(timeMs: number): string {
  const wholeMs = Math.floor(timeMs);
  const days = Math.floor(wholeMs / DAY_MS);
  const ms = wholeMs - days * DAY_MS;
  const [year, month, day] = dateOf(days);
  const [hour, minute, second] = [ms / 3_600_000, (ms / 60_000) % 60, (ms / 1_000) % 60];
  const date = `${digits(year, 4)}-${digits(month)}-${digits(day)}`;
  return `${date}T${digits(hour)}:${digits(minute)}:${digits(second)}.${digits(ms % 1_000, 3)}Z`;
}

/** Years count from March, so that the leap day is a year's last (the algorithm of H. Hinnant's `civil_from_days`). */
function dateOf(days: number): [year: number, month: number, day: number] {
  const shifted = days + EPOCH_DAYS;
  const era = Math.floor(shifted / ERA_DAYS);
  const dayOfEra = shifted - era * ERA_DAYS;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return [era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, day];
}

function digits(value: number, width = 2): string {
  return String(Math.floor(value)).padStart(width, "0");
}
