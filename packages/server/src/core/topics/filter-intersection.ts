import { isReservedLevel, isWildcard } from "./filter-matching.ts";
import { splitLevels } from "./levels.ts";

/**
 * The topics that two valid topic filters both match are again those of one filter, or none.
 *
 * A filter that begins with a wildcard matches no `$…` topics [MQTT-4.7.2-1], so `#` and `$SYS/x` have none in common.
 *
 * @example
 * intersectFilters("#", "a/+/c"); // "a/+/c"
 * intersectFilters("+/b", "a/#"); // "a/b"
 * intersectFilters("a/#", "a"); // "a"
 * intersectFilters("#", "$SYS/x"); // undefined
 */
export function intersectFilters(a: string, b: string): string | undefined {
  return intersectLevels(splitLevels(a), splitLevels(b))?.join("/");
}

/** {@link intersectFilters} on filters that are split already. */
export function intersectLevels(a: readonly string[], b: readonly string[]): readonly string[] | undefined {
  if (!levelsOverlap(a, b)) return undefined;
  const [short, long] = fixedLevels(a) < fixedLevels(b) ? [a, b] : [b, a];
  const common: string[] = [];
  for (let depth = 0; depth < fixedLevels(short); depth++) {
    const level = short[depth] as string;
    common.push(level === "+" ? (long[depth] as string) : level);
  }
  // Where one filter has ended in `#`, the other alone says what follows.
  const rest = isOpen(short) ? long : long.slice(0, fixedLevels(long));
  for (let depth = common.length; depth < rest.length; depth++) common.push(rest[depth] as string);
  return common;
}

/** Whether some topic name matches both valid filters; allocates nothing but the split levels. */
export function filtersOverlap(a: string, b: string): boolean {
  return levelsOverlap(splitLevels(a), splitLevels(b));
}

/** {@link filtersOverlap} on filters that are split already. */
export function levelsOverlap(a: readonly string[], b: readonly string[]): boolean {
  if (isWildcard(a[0]) && isReservedLevel(b[0])) return false;
  if (isWildcard(b[0]) && isReservedLevel(a[0])) return false;
  const fixedA = fixedLevels(a);
  const fixedB = fixedLevels(b);
  if (fixedA < fixedB && !isOpen(a)) return false;
  if (fixedB < fixedA && !isOpen(b)) return false;
  const shared = Math.min(fixedA, fixedB);
  for (let depth = 0; depth < shared; depth++) {
    if (a[depth] !== b[depth] && a[depth] !== "+" && b[depth] !== "+") return false;
  }
  return true;
}

/**
 * Whether `outer` matches every topic that `inner` matches. `#` and `+/#` contain each other, because every topic has
 * at least one level; a leading wildcard contains no `$…` filter.
 *
 * @example
 * filterContains("+/#", "#"); // true
 * filterContains("a/#", "a"); // true
 * filterContains("#", "$SYS/x"); // false
 */
export function filterContains(outer: string, inner: string): boolean {
  return levelsContain(splitLevels(outer), splitLevels(inner));
}

/** {@link filterContains} on filters that are split already. */
export function levelsContain(outer: readonly string[], inner: readonly string[]): boolean {
  if (outer.length === 1 && outer[0] === "#") return !isReservedLevel(inner[0]);
  if (inner.length === 1 && inner[0] === "#") return outer.length === 2 && outer[0] === "+" && outer[1] === "#";
  if (isWildcard(outer[0]) && isReservedLevel(inner[0])) return false;
  const fixedOuter = fixedLevels(outer);
  const fixedInner = fixedLevels(inner);
  if (fixedInner < fixedOuter) return false;
  if (!isOpen(outer) && (isOpen(inner) || fixedInner > fixedOuter)) return false;
  for (let depth = 0; depth < fixedOuter; depth++) {
    if (outer[depth] !== "+" && outer[depth] !== inner[depth]) return false;
  }
  return true;
}

/** Whether the filter ends in `#`. */
function isOpen(filter: readonly string[]): boolean {
  return filter[filter.length - 1] === "#";
}

/** How many levels stand before the `#`, or in all where there is none. */
function fixedLevels(filter: readonly string[]): number {
  return isOpen(filter) ? filter.length - 1 : filter.length;
}
