import { Audience } from "./audience.ts";
import type { GrantedFilter, Subscription } from "./subscription.ts";

/** Where audiences are found by topic; the router's subscription tree. */
export interface AudienceTree {
  add(filter: string, audience: Audience): void;
  remove(filter: string, audience: Audience): void;
  /** What that very filter holds. */
  valuesOf(filter: string): readonly { readonly kind: string }[];
}

const allQos = [0, 1, 2] as const;

/** All audiences of a router: brings each subscription to its equals. */
export class Audiences {
  readonly #tree: AudienceTree;

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
      if (audience.size === 0) for (const { filter } of audience.granted) this.#tree.remove(filter, audience);
    }
  }

  #joinOne(subscription: Subscription, granted: readonly GrantedFilter[]): Audience {
    const known = this.#find(subscription, granted);
    const audience = known ?? new Audience(subscription, granted);
    audience.join(subscription);
    if (!known) for (const { filter } of granted) this.#tree.add(filter, audience);
    return audience;
  }

  /**
   * A look at each audience of the first granted filter, which has as many as there are different options and policies:
   * an index by key would cost more, above all a Map of thousands in which one key comes and goes.
   */
  #find(subscription: Subscription, granted: readonly GrantedFilter[]): Audience | undefined {
    for (const value of this.#tree.valuesOf((granted[0] as GrantedFilter).filter)) {
      if (value instanceof Audience && value.fits(subscription, granted)) return value;
    }
    return undefined;
  }
}
