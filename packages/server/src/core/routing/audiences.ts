import type { Qos } from "@weir/protocol";
import type { Policy } from "../access/policy.ts";
import { Audience, type AudienceTerms } from "./audience.ts";
import type { Subscription } from "./subscription.ts";

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
    const joined: Audience[] = [];
    for (const qos of allQos) {
      const filters = subscription.granted.filter((one) => one.qos === qos).map((one) => one.filter);
      if (filters.length > 0) joined.push(this.#joinAt(subscription, qos, filters));
    }
    subscription.audiences = joined;
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

  #joinAt(subscription: Subscription, qos: Qos, filters: readonly string[]): Audience {
    const { checkedBy, recipient } = subscription;
    let byKey = this.#byPolicy.get(checkedBy);
    if (!byKey) this.#byPolicy.set(checkedBy, (byKey = new Map<string, Audience>()));
    const terms: AudienceTerms = { filters, qos, isLogged: recipient.isLogged, checkedBy };
    const key = keyOf(subscription, terms);
    const known = byKey.get(key);
    const audience = known ?? new Audience(terms);
    audience.join(subscription);
    if (known) return known;
    byKey.set(key, audience);
    for (const filter of filters) this.#tree.add(filter, audience);
    return audience;
  }

  #close(audience: Audience, last: Subscription): void {
    const { checkedBy, filters } = audience.terms;
    const byKey = this.#byPolicy.get(checkedBy);
    byKey?.delete(keyOf(last, audience.terms));
    if (byKey?.size === 0) this.#byPolicy.delete(checkedBy);
    for (const filter of filters) this.#tree.remove(filter, audience);
  }
}

/** U+0000 occurs in no topic filter [MQTT-1.5.4-2]. */
function keyOf(subscription: Subscription, { filters, qos, isLogged }: AudienceTerms): string {
  const { topicFilter, noLocal, retainAsPublished, identifier } = subscription;
  const flags = qos + (noLocal ? 4 : 0) + (retainAsPublished ? 8 : 0) + (isLogged ? 16 : 0);
  const key = `${flags} ${identifier ?? ""} ${topicFilter}`;
  return filters.length === 1 && filters[0] === topicFilter ? key : `${key}\0${filters.join("\0")}`;
}
