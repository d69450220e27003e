import type { Policy } from "../access/policy.ts";
import { Audience } from "./audience.ts";
import { pathOf } from "./delivery.ts";
import type { GrantedFilter, Subscription } from "./subscription.ts";

/** Where audiences are found by topic; the router's subscription tree. */
export interface AudienceTree {
  add(filter: string, audience: Audience): void;
  remove(filter: string, audience: Audience): void;
}

const allQos = [0, 1, 2] as const;

/** All audiences of a router: brings each subscription to its equals. */
export class Audiences {
  readonly #tree: AudienceTree;
  readonly #byPolicy = new Map<Policy | undefined, Map<string, Audience>>();

  constructor(tree: AudienceTree) {
    this.#tree = tree;
  }

  /** Granted filters of different QoS are in audiences of their own: which of them match decides for each topic. */
  join(subscription: Subscription): void {
    const { granted } = subscription;
    const qos = granted[0]?.qos;
    if (granted.every((one) => one.qos === qos)) {
      subscription.audiences = granted.length === 0 ? [] : [this.#joinOne(subscription, granted)];
      return;
    }
    subscription.audiences = allQos
      .map((each) => granted.filter((one) => one.qos === each))
      .filter((filters) => filters.length > 0)
      .map((filters) => this.#joinOne(subscription, filters));
  }

  leave(subscription: Subscription): void {
    const { audiences } = subscription;
    if (!audiences) return;
    subscription.audiences = undefined;
    for (const audience of audiences) {
      audience.leave(subscription);
      if (audience.size === 0) this.#close(audience, subscription);
    }
  }

  #joinOne(subscription: Subscription, granted: readonly GrantedFilter[]): Audience {
    const { checkedBy } = subscription;
    let byKey = this.#byPolicy.get(checkedBy);
    if (!byKey) this.#byPolicy.set(checkedBy, (byKey = new Map<string, Audience>()));
    const key = keyOf(subscription, granted);
    const known = byKey.get(key);
    const audience = known ?? new Audience(subscription, granted);
    audience.join(subscription);
    if (known) return known;
    byKey.set(key, audience);
    for (const { filter } of granted) this.#tree.add(filter, audience);
    return audience;
  }

  #close(audience: Audience, last: Subscription): void {
    const { checkedBy, granted } = audience;
    const byKey = this.#byPolicy.get(checkedBy);
    byKey?.delete(keyOf(last, granted));
    if (byKey?.size === 0) this.#byPolicy.delete(checkedBy);
    for (const { filter } of granted) this.#tree.remove(filter, audience);
  }
}

/** U+0000 occurs in no topic filter [MQTT-1.5.4-2]. */
function keyOf(subscription: Subscription, granted: readonly GrantedFilter[]): string {
  const { topicFilter, noLocal, retainAsPublished, identifier, recipient, tracking } = subscription;
  const qos = granted[0]?.qos ?? 0;
  const flags = qos + (noLocal ? 4 : 0) + (retainAsPublished ? 8 : 0);
  const path = pathOf(recipient, qos, tracking !== undefined);
  let key = `${flags}${path} ${identifier ?? ""} ${topicFilter}`;
  if (granted.length === 1 && granted[0]?.filter === topicFilter) return key;
  for (const { filter } of granted) key += `\0${filter}`;
  return key;
}
