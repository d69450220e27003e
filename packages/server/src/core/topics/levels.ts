/** `"a//b"` → `["a", "", "b"]`: a zero-length level is a level [MQTT-4.7.3]. */
export function splitLevels(topicOrFilter: string): string[] {
  return topicOrFilter.split("/");
}
