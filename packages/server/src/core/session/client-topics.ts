/** The topics that are each client's own: `$client/…` is in no tree, log, store, trace or share (semantics.md §1.2). */
export const clientTopics = [
  "$client/expiring",
  "$client/acl",
  "$client/renewed",
  "$client/position",
  "$client/dropped",
] as const;

export type ClientTopic = (typeof clientTopics)[number];

export function isClientTopicFilter(topicFilter: string): boolean {
  return topicFilter === "$client" || topicFilter.startsWith("$client/");
}

/** The topics that a filter below `$client` asks for. */
export function clientTopicsOf(topicFilter: string): readonly ClientTopic[] {
  const level = topicFilter.slice("$client/".length);
  if (level === "#" || level === "+") return clientTopics;
  return clientTopics.filter((topic) => topic === topicFilter);
}
