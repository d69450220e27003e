import { isAllowedText } from "./text-scan.ts";
import { hasWildcard, isWithinLimits, splitLevels } from "./topic-name.ts";
import type { TopicLimits } from "./topic-name.ts";

const SHARE_PREFIX = "$share/";

/** A shared subscription's parts (MQTT 5.0 §4.8.2). */
export interface ShareFilter {
  /** The ShareName. */
  readonly group: string;
  /** What the messages have to match. */
  readonly filter: string;
}

/**
 * True if one may subscribe to `filter`: wildcards where they may stand, allowed characters, within the limits, and
 * behind `$share/` a group and a filter [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.8.2-1], [MQTT-4.8.2-2].
 * The limits are those of the whole text, `$share/group/` included.
 *
 * @example isTopicFilter("data/+/s1/#") // true
 */
export function isTopicFilter(filter: string, limits?: TopicLimits): boolean {
  return isWithinLimits(filter, limits) && isAllowedText(filter) && isFilterSyntax(filter);
}

/** {@link isTopicFilter} for a string that came through the packet decoder, whose characters are known to be good. */
export function isFilterSyntax(filter: string): boolean {
  if (isShared(filter)) return parseShareFilter(filter) !== undefined;
  return filter !== "" && hasPlacedWildcards(filter);
}

/** True if the filter claims to be a shared subscription, well-formed or not. */
export function isShared(filter: string): boolean {
  return filter.startsWith(SHARE_PREFIX);
}

/**
 * Group and filter of a shared subscription; undefined if it is none, or a malformed one.
 *
 * @example parseShareFilter("$share/readers/data/#") // { group: "readers", filter: "data/#" }
 */
export function parseShareFilter(filter: string): ShareFilter | undefined {
  if (!isShared(filter)) return undefined;
  const groupEnd = filter.indexOf("/", SHARE_PREFIX.length);
  if (groupEnd === -1) return undefined;
  const group = filter.slice(SHARE_PREFIX.length, groupEnd);
  const shared = filter.slice(groupEnd + 1);
  if (group === "" || hasWildcard(group) || shared === "" || !hasPlacedWildcards(shared)) return undefined;
  return { group, filter: shared };
}

function hasPlacedWildcards(filter: string): boolean {
  if (!hasWildcard(filter)) return true;
  const levels = splitLevels(filter);
  return levels.every((level, index) => isLevelPlaced(level, index === levels.length - 1));
}

function isLevelPlaced(level: string, isLast: boolean): boolean {
  if (level === "+" || !hasWildcard(level)) return true;
  return level === "#" && isLast;
}

/**
 * True if a message on `topic` matches `filter` (without its `$share/group/`): the rules of MQTT 5.0 §4.7 as they
 * stand. The plain matcher that faster ones are compared with.
 *
 * A wildcard at the start does not match a topic that starts with `$` [MQTT-4.7.2-1]; `a/#` matches `a`; an empty
 * level is a level.
 *
 * @example topicMatches("a/+/#", "a/b") // true
 */
export function topicMatches(filter: string, topic: string): boolean {
  if (topic.startsWith("$") && hasWildcard(filter.slice(0, 1))) return false;
  const wanted = splitLevels(filter);
  const levels = splitLevels(topic);
  const isOpen = wanted.at(-1) === "#";
  const fixed = isOpen ? wanted.slice(0, -1) : wanted;
  if (isOpen ? levels.length < fixed.length : levels.length !== fixed.length) return false;
  return fixed.every((level, index) => level === "+" || level === levels[index]);
}
