import type { ClientTopic } from "./client-topics.ts";
import type { Regrant } from "./subscriptions.ts";

/** Of one notice: so many fit into what most clients take as one packet. */
const MAX_SUBSCRIPTIONS = 100;

interface Told {
  readonly subscriptions: { wants(topic: ClientTopic): boolean };
  tell(topic: ClientTopic, content: Readonly<Record<string, unknown>>): void;
}

/** Tells a client on `$client/acl` what is left of its subscriptions whose effective filters have changed. */
export function tellEffectiveFilters(session: Told, regrants: readonly Regrant[]): void {
  if (!session.subscriptions.wants("$client/acl")) return;
  const changed = regrants.filter(areOthers).map(describe);
  for (let from = 0; from < changed.length; from += MAX_SUBSCRIPTIONS)
    session.tell("$client/acl", { subscriptions: changed.slice(from, from + MAX_SUBSCRIPTIONS) });
}

/** A QoS or a share group may have changed alone. */
function areOthers({ subscription, before }: Regrant): boolean {
  const known = new Set(before.granted.map(({ filter }) => filter));
  const { granted } = subscription;
  return known.size !== granted.length || granted.some(({ filter }) => !known.has(filter));
}

function describe({ subscription }: Regrant): { filter: string; effective: string[] } {
  const { topicFilter, granted } = subscription;
  return { filter: topicFilter, effective: granted.map(({ filter }) => filter) };
}
