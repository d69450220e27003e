/**
 * Whether a valid topic filter matches a valid topic name, both split into levels: the form for filters that are
 * compiled once and matched often. `a/#` matches `a` (MQTT 5.0 section 4.7.1.2); a filter that begins with a wildcard matches no
 * `$…` topic [MQTT-4.7.2-1].
 */
export function levelsMatch(filter: readonly string[], topic: readonly string[]): boolean {
  if (isWildcard(filter[0]) && isReservedLevel(topic[0])) return false;
  const length = filter.length;
  for (let depth = 0; depth < length; depth++) {
    const level = filter[depth];
    if (level === "#") return true;
    if (depth === topic.length) return false;
    if (level !== "+" && level !== topic[depth]) return false;
  }
  return length === topic.length;
}

export function isWildcard(level: string | undefined): boolean {
  return level === "+" || level === "#";
}

/** Whether a first level begins with `$`, so that no leading wildcard stands for it [MQTT-4.7.2-1]. */
export function isReservedLevel(level: string | undefined): boolean {
  return level !== undefined && level.charCodeAt(0) === 0x24;
}
