import { isReservedLevel, isWildcard } from "./filter-matching.ts";

/**
 * The topics that two valid topic filters, split into levels, both match are again those of one filter, or none: `#` and
 * `a/+/c` have `a/+/c`, `+/b` and `a/#` have `a/b`, `a/#` and `a` have `a`. A filter that begins with a wildcard matches
 * no `$…` topics [MQTT-4.7.2-1], so `#` and `$SYS/x` have none.
 */
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

/** Whether some topic name matches both valid filters; allocates nothing. */
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
  return !haveOnlyEmptyTopic(a, b);
}

/** `+` and `/#` have only the topic of one empty level in common, and no topic is empty [MQTT-4.7.3-1]. */
function haveOnlyEmptyTopic(a: readonly string[], b: readonly string[]): boolean {
  if (a.length + b.length !== 3) return false;
  return (a[0] === "" && a[1] === "#" && b[0] === "+") || (b[0] === "" && b[1] === "#" && a[0] === "+");
}

/**
 * Whether `outer` matches every topic that `inner` matches. `#` and `+/#` contain each other, because every topic has
 * at least one level; a leading wildcard contains no `$…` filter.
 */
export function levelsContain(outer: readonly string[], inner: readonly string[]): boolean {
  const least = longestForm(inner);
  if (isWildcard(outer[0]) && isReservedLevel(least[0])) return false;
  const fixedOuter = fixedLevels(outer);
  const fixedInner = fixedLevels(least);
  if (fixedInner < fixedOuter) return false;
  if (!isOpen(outer) && (isOpen(least) || fixedInner > fixedOuter)) return false;
  for (let depth = 0; depth < fixedOuter; depth++) {
    if (outer[depth] !== "+" && outer[depth] !== least[depth]) return false;
  }
  return true;
}

const ANY_TOPIC: readonly string[] = ["+", "#"];
const ANY_BELOW_EMPTY: readonly string[] = ["", "+", "#"];

/**
 * The filter that matches the same topics and has the most levels before its `#`: every topic has a level, so `#` is
 * `+/#`, and none is empty, so `/#` is `/+/#` [MQTT-4.7.3-1].
 */
export function longestForm(filter: readonly string[]): readonly string[] {
  if (filter[0] === "#") return ANY_TOPIC;
  return filter[0] === "" && filter[1] === "#" ? ANY_BELOW_EMPTY : filter;
}

/** Whether the filter ends in `#`. */
function isOpen(filter: readonly string[]): boolean {
  return filter[filter.length - 1] === "#";
}

/** How many levels stand before the `#`, or in all where there is none. */
function fixedLevels(filter: readonly string[]): number {
  return isOpen(filter) ? filter.length - 1 : filter.length;
}
