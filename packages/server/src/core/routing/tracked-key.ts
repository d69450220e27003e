/** In no topic filter [MQTT-1.5.4-2]. */
const mark = "\0";

/** Names the outbox of a filter that notes QoS 0 as well, for subscriptions that take whatever the log has. */
export function trackedKey(filter: string): string {
  return mark + filter;
}

export function isTrackedKey(key: string): boolean {
  return key.startsWith(mark);
}

/** The filter of an outbox of either kind. */
export function filterOfKey(key: string): string {
  return isTrackedKey(key) ? key.slice(mark.length) : key;
}
