/** Whether a topic filter matches a topic name, as MQTT 5 §4.7 has it. */
export function topicMatches(filter: string, topic: string): boolean {
  const wanted = filter.split("/");
  const levels = topic.split("/");
  if (levels[0]?.startsWith("$") && (wanted[0] === "+" || wanted[0] === "#")) return false;
  for (const [i, level] of wanted.entries()) {
    if (level === "#") return true;
    if (levels[i] === undefined || (level !== "+" && level !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}
