import { isAllowedText } from "./text-scan.ts";
import { pureTextCodec } from "./text-codec.ts";

/** Bounds on topic names and filters; what is left out is bounded by the protocol alone. */
export interface TopicLimits {
  /** Bytes of UTF-8; 65,535 is the protocol's own limit [MQTT-4.7.3-3]. */
  readonly maxBytes?: number;
  readonly maxLevels?: number;
}

const MAX_TOPIC_BYTES = 65_535;

/**
 * True if a message may be published to `topic`: not empty, no wildcard, allowed characters, within the limits
 * [MQTT-3.3.2-2], [MQTT-4.7.0-1], [MQTT-4.7.3-1] to -3. Whether this server accepts it is another question.
 *
 * @example isTopicName("data/u1/bus-7") // true
 */
export function isTopicName(topic: string, limits?: TopicLimits): boolean {
  return !hasWildcard(topic) && isWithinLimits(topic, limits) && isAllowedText(topic);
}

/** True if `+` or `#` stands anywhere in the text. */
export function hasWildcard(text: string): boolean {
  return text.includes("+") || text.includes("#");
}

/** True if a topic name or filter is neither empty nor larger than the limits. */
export function isWithinLimits(topic: string, limits?: TopicLimits): boolean {
  const maxBytes = Math.min(limits?.maxBytes ?? MAX_TOPIC_BYTES, MAX_TOPIC_BYTES);
  if (topic.length === 0 || topic.length > maxBytes) return false;
  if (topic.length * 3 > maxBytes && pureTextCodec.byteLength(topic) > maxBytes) return false;
  return limits?.maxLevels === undefined || countLevels(topic) <= limits.maxLevels;
}

/** Levels of a topic name or filter: one more than it has slashes. */
export function countLevels(topic: string): number {
  let levels = 1;
  for (let slash = topic.indexOf("/"); slash !== -1; slash = topic.indexOf("/", slash + 1)) levels++;
  return levels;
}

/**
 * The levels of a topic name or filter; empty ones count.
 *
 * @example splitLevels("/a//b") // ["", "a", "", "b"]
 */
export function splitLevels(topic: string): string[] {
  return topic.split("/");
}
