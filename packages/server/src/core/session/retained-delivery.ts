import { isShared, type Qos, splitLevels } from "@weir/protocol";
import type { Principal } from "../access/principal.ts";
import type { Message } from "../ports/message.ts";
import { type Delivery, mergeDelivery } from "../routing/delivery.ts";
import type { Router } from "../routing/router.ts";
import type { GrantedFilter, Subscription } from "../routing/subscription.ts";
import { levelsMatch } from "../topics/filter-matching.ts";
import type { Session } from "./session.ts";
import type { Grant } from "./subscriptions.ts";

interface SplitFilter {
  readonly levels: readonly string[];
  readonly qos: Qos;
}

/**
 * The retained messages that a subscription is owed: each topic once, whichever of its granted filters match, and none
 * that it could see `before` a change. Lazy: read as fast as the client takes them.
 */
export function* retainedFor(
  router: Router,
  subscription: Subscription,
  before?: Subscription,
): Generator<{ message: Message; delivery: Delivery }> {
  const known = before?.granted.map(split) ?? [];
  for (const { message, qos } of retainedMatching(router, subscription.granted)) {
    const isKnown = before && isCovered(known, message) && mayRead(before, message);
    if (!isKnown && mayRead(subscription, message))
      yield { message, delivery: retainedDelivery(subscription, qos) };
  }
}

function mayRead({ checkedBy }: Subscription, { topic }: Message): boolean {
  return checkedBy === undefined || checkedBy.canRead(topic.name, topic.levels);
}

/** The retained messages that a principal may read of a filter, each once. */
export function* readableRetained(
  router: Router,
  { policy }: Principal,
  topicFilter: string,
): Generator<Message> {
  const { filters, checked } = policy.effectiveFilters(topicFilter, 2);
  for (const { message } of retainedMatching(router, filters))
    if (!checked || policy.canRead(message.topic.name, message.topic.levels)) yield message;
}

function* retainedMatching(
  router: Router,
  filters: readonly GrantedFilter[],
): Generator<{ message: Message; qos: Qos }> {
  const seen: SplitFilter[] = [];
  for (const granted of filters) {
    const filter = split(granted);
    for (const message of router.retained.match(filter.levels)) {
      if (!isCovered(seen, message)) yield { message, qos: filter.qos };
    }
    seen.push(filter);
  }
}

function isCovered(filters: readonly SplitFilter[], { topic }: Message): boolean {
  return filters.some(({ levels }) => levelsMatch(levels, topic.levels));
}

/**
 * What a new grant is owed of the retained messages waits to be sent, by Retain Handling [MQTT-3.3.1-9 to -11]; a shared
 * subscription gets none (MQTT 5.0 §4.8.2).
 */
export function sendRetained(session: Session, { subscription, isNew }: Grant): void {
  if (!mayHaveRetained(subscription)) return;
  if (subscription.retainHandling === 1 && !isNew) return;
  session.outgoing.retained.add(subscription.topicFilter, retainedFor(session.router, subscription));
}

/** Those who ask for a replay have the messages themselves, in their order (semantics.md §2.10). */
export function mayHaveRetained({ topicFilter, retainHandling, tracking }: Subscription): boolean {
  return !isShared(topicFilter) && retainHandling !== 2 && tracking?.since === undefined;
}

/** Sent because of a subscription: RETAIN stays 1 whatever Retain As Published says (MQTT 5.0 §3.3.1.3). */
function retainedDelivery(subscription: Subscription, qos: Qos): Delivery {
  const merged = mergeDelivery(subscription.recipient, [{ subscription, qos }]) as Delivery;
  return { ...merged, retainAsPublished: true };
}

function split(granted: GrantedFilter): SplitFilter {
  return { levels: splitLevels(granted.filter), qos: granted.qos };
}
