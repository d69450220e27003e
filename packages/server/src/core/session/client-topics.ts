import { parseShareFilter } from "@weir/protocol";

/** The topics that are each client's own: `$client/…` is in no tree, log, store, trace or share (semantics.md §1.2). */
export const clientTopics = [
  "$client/expiring",
  "$client/acl",
  "$client/renewed",
  "$client/position",
  "$client/dropped",
] as const;

/** Where a client publishes another credential, to go on with it: the one of them that is publishable. */
export const CLIENT_AUTH_TOPIC = "$client/auth";

export type ClientTopic = (typeof clientTopics)[number];

/** Also as a share, which nothing comes of: it must not get into the tree either. */
export function isClientTopicFilter(topicFilter: string): boolean {
  const filter = parseShareFilter(topicFilter)?.filter ?? topicFilter;
  return filter === "$client" || filter.startsWith("$client/");
}

/** The topics that a filter below `$client` asks for. */
export function clientTopicsOf(topicFilter: string): readonly ClientTopic[] {
  const level = topicFilter.slice("$client/".length);
  if (level === "#" || level === "+") return clientTopics;
  return clientTopics.filter((topic) => topic === topicFilter);
}
