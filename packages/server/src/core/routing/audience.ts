import type { Qos } from "@weir/protocol";
import type { Policy } from "../access/policy.ts";
import { type Delivery, type DeliveryPath, mergeDelivery, pathOf } from "./delivery.ts";
import type { GrantedFilter, Recipient, Subscription } from "./subscription.ts";

/** Above this many members a search costs more than keeping an index. */
const indexAbove = 16;

/**
 * The connected sessions whose subscriptions are equal in filter, options, granted filters and, where it has to be
 * asked, policy: one value of the subscription tree, however many they are (semantics.md §1.7). A session has one
 * subscription to a filter, so it is in here once.
 */
export class Audience {
  readonly kind = "audience";
  /** Where the tree holds it; all of one QoS. */
  readonly granted: readonly GrantedFilter[];
  readonly qos: Qos;
  /** How messages reach the members. */
  readonly path: DeliveryPath;
  /** Asked once for each topic: where it refuses, no member is visited. */
  readonly checkedBy: Policy | undefined;
  /** Rises with every change of the members: for what was derived from several audiences. */
  version = 0;
  #members: Delivery[] = [];
  #places: Map<Recipient, number> | undefined;
  /** Somebody may be running over the members: they leave a copy. */
  #isLent = false;

  /** Of subscriptions like this one, as far as they are granted these filters. */
  constructor(like: Subscription, granted: readonly GrantedFilter[]) {
    this.granted = granted;
    this.qos = granted[0]?.qos ?? 0;
    this.path = pathOf(like.recipient, this.qos, like.tracking !== undefined);
    this.checkedBy = like.checkedBy;
  }

  get size(): number {
    return this.#members.length;
  }

  /** In arbitrary order. Later members are added to this same array, so run up to its length as it is now; none leaves it. */
  get members(): readonly Delivery[] {
    this.#isLent = true;
    return this.#members;
  }

  /** Whether a subscription with these granted filters is equal to those of the members. */
  fits(subscription: Subscription, granted: readonly GrantedFilter[]): boolean {
    const member = this.#members[0]?.parts[0]?.subscription;
    return (
      member !== undefined &&
      this.checkedBy === subscription.checkedBy &&
      this.path === pathOf(subscription.recipient, this.qos, subscription.tracking !== undefined) &&
      hasSameOptions(member, subscription) &&
      isSameGrant(this.granted, granted)
    );
  }

  of(recipient: Recipient): Delivery | undefined {
    const place = this.#placeOf(recipient);
    return place < 0 ? undefined : this.#members[place];
  }

  /** The recipient's earlier subscription, if it is in here, gives way. */
  join(subscription: Subscription): void {
    const { recipient } = subscription;
    const delivery = mergeDelivery(recipient, [{ subscription, qos: this.qos }]) as Delivery;
    const place = this.#placeOf(recipient);
    this.version += 1;
    if (place >= 0) this.#own()[place] = delivery;
    else this.#append(delivery);
  }

  /** A subscription that has given way to another is not in here any more. */
  leave(subscription: Subscription): void {
    const place = this.#placeOf(subscription.recipient);
    if (place < 0 || this.#members[place]?.parts[0]?.subscription !== subscription) return;
    this.version += 1;
    const members = this.#own();
    const last = members.pop() as Delivery;
    this.#places?.delete(subscription.recipient);
    if (place === members.length) return;
    members[place] = last;
    this.#places?.set(last.recipient, place);
  }

  #append(delivery: Delivery): void {
    // An array that grew by pushing has room for 17, and most audiences have one member.
    if (this.#members.length === 0) this.#members = [delivery];
    else this.#members.push(delivery);
    const place = this.#members.length - 1;
    if (this.#places) this.#places.set(delivery.recipient, place);
    else if (place >= indexAbove)
      this.#places = new Map(this.#members.map(({ recipient }, index) => [recipient, index]));
  }

  #own(): Delivery[] {
    if (this.#isLent) this.#members = this.#members.slice();
    this.#isLent = false;
    return this.#members;
  }

  #placeOf(recipient: Recipient): number {
    if (this.#places) return this.#places.get(recipient) ?? -1;
    return this.#members.findIndex((member) => member.recipient === recipient);
  }
}

function hasSameOptions(a: Subscription, b: Subscription): boolean {
  return (
    a.topicFilter === b.topicFilter &&
    a.noLocal === b.noLocal &&
    a.retainAsPublished === b.retainAsPublished &&
    a.identifier === b.identifier
  );
}

function isSameGrant(a: readonly GrantedFilter[], b: readonly GrantedFilter[]): boolean {
  if (a === b) return true;
  return (
    a.length === b.length && a.every(({ filter, qos }, i) => filter === b[i]?.filter && qos === b[i].qos)
  );
}
