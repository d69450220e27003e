import { countLevels, isShared, parseShareFilter, type SubscriptionRequest } from "@weir/protocol";
import type { Policy } from "../access/policy.ts";
import { identityKey, type Principal } from "../access/principal.ts";
import type { Seq } from "../ports/engine.ts";
import type { LogReader } from "../routing/log-reader.ts";
import type { Router } from "../routing/router.ts";
import type { ShareGroup } from "../routing/share-group.ts";
import type { GrantedFilter, Recipient, Subscription, Tracking } from "../routing/subscription.ts";
import { trackedKey } from "../routing/tracked-key.ts";
import { LazyMap } from "./lazy-map.ts";
import type { TrackedSubscription } from "./replay.ts";
import type { Replays } from "./replays.ts";
import { type ClientTopic, clientTopicsOf, isClientTopicFilter } from "./client-topics.ts";

/** At most this many effective filters of one session enter the tree (semantics.md §1.7). */
const maxEffectiveFilters = 4_096;

export interface SubscriptionsOwner extends Recipient {
  readonly principal: Principal;
  readonly isConnected: boolean;
  readonly reader: LogReader | undefined;
  readonly replays: Replays;
  /** The reader, made if there is none. */
  needReader(): LogReader;
}

/** What a subscription asks of the log, and from where it is to have live messages. */
export type Track = (
  granted: readonly GrantedFilter[],
  before: Subscription | undefined,
) => { readonly tracking: Tracking; readonly from: Seq };

/** What a session asked for, with `from` where it was restored. */
export type SavedSubscription = SubscriptionRequest & {
  readonly identifier: number | undefined;
  readonly from: Seq;
  readonly granted: readonly GrantedFilter[];
  readonly tracking?: Tracking | undefined;
  /** Key of the share group, where it is shared. */
  readonly groupKey: string | undefined;
};

export interface Grant {
  readonly subscription: Subscription;
  /** The session had no subscription to this filter. */
  readonly isNew: boolean;
  /** Wider than the policy: the effective filters are narrower than the requested one. */
  readonly isNarrowed: boolean;
}

/** What a change of the policy did to a subscription. */
export interface Regrant {
  readonly subscription: Subscription;
  readonly before: Subscription;
  /** Its granted filters or its share group are others; not only what the policy says of topics within them. */
  readonly isMoved: boolean;
}

/** The subscriptions of one session, by requested filter; each is in the tree, in outboxes or in a share group as granted. */
export class Subscriptions {
  readonly #owner: SubscriptionsOwner;
  readonly #router: Router;
  readonly #byFilter = new LazyMap<string, Subscription>();
  readonly #groups = new LazyMap<Subscription, ShareGroup>();
  readonly #clientTopics = new LazyMap<string, readonly ClientTopic[]>();
  #effectiveCount = 0;
  #levelCount = 0;

  constructor(owner: SubscriptionsOwner, router: Router) {
    this.#owner = owner;
    this.#router = router;
  }

  get size(): number {
    return this.#byFilter.size + this.#clientTopics.size;
  }

  /** Levels of all requested filters together. */
  get levelCount(): number {
    return this.#levelCount;
  }

  get all(): Iterable<Subscription> {
    return this.#byFilter.values();
  }

  get groups(): Iterable<ShareGroup> {
    return this.#groups.values();
  }

  has(topicFilter: string): boolean {
    return this.#byFilter.has(topicFilter) || this.#clientTopics.has(topicFilter);
  }

  wants(topic: ClientTopic): boolean {
    for (const topics of this.#clientTopics.values()) if (topics.includes(topic)) return true;
    return false;
  }

  get asksForPositions(): boolean {
    for (const { tracking } of this.#byFilter.values()) if (tracking?.hasPosition) return true;
    return false;
  }

  /** A flag on the session, whatever the policy says: these topics are the client's own. */
  subscribeClientTopics(topicFilter: string): boolean {
    const topics = clientTopicsOf(topicFilter);
    if (topics.length === 0) return false;
    this.#clientTopics.set(topicFilter, topics);
    return true;
  }

  /** Undefined: the policy leaves nothing of it. The subscription replaces an older one to the same filter [MQTT-3.8.4-3]. */
  subscribe(request: SubscriptionRequest, identifier: number | undefined, track?: Track): Grant | undefined {
    const before = this.#byFilter.get(request.topicFilter);
    const { granted, checkedBy, isNarrowed } = this.#grant(request, before);
    if (granted.length === 0) return undefined;
    const subscription: Subscription = {
      recipient: this.#owner,
      topicFilter: request.topicFilter,
      qos: request.qos,
      noLocal: request.noLocal,
      retainAsPublished: request.retainAsPublished,
      retainHandling: request.retainHandling,
      identifier,
      granted,
      checkedBy,
      from: before && before.qos > 0 ? before.from : this.#router.headSeq,
      ...track?.(granted, before),
    };
    this.#replace(before, subscription);
    if (!before) this.#levelCount += countLevels(request.topicFilter);
    return { subscription, isNew: !before, isNarrowed };
  }

  unsubscribe(topicFilter: string): boolean {
    if (this.#clientTopics.delete(topicFilter)) return true;
    const subscription = this.#byFilter.get(topicFilter);
    if (!subscription) return false;
    this.#byFilter.delete(topicFilter);
    this.#levelCount -= countLevels(topicFilter);
    this.#leaveTree(subscription);
    this.#leaveLog(subscription, "drop");
    return true;
  }

  /** The session's connection has come: its subscriptions enter the tree. */
  attach(): void {
    for (const subscription of this.#byFilter.values())
      if (isDelivered(subscription)) this.#router.attach(subscription);
  }

  /** It has gone: what persists goes on by its outboxes alone. */
  detach(): void {
    for (const subscription of this.#byFilter.values()) this.#router.detach(subscription);
  }

  /** The replay of a subscription has come to the log's end: from here on it is a part of deliveries. */
  endReplay(topicFilter: string): void {
    const before = this.#byFilter.get(topicFilter);
    if (!before?.tracking?.isReplaying) return;
    const { tailSeq: from, headSeq: mergedFrom } = this.#router;
    const tracking = { ...before.tracking, isReplaying: false, mergedFrom };
    this.#replace(before, { ...before, tracking, from, audiences: undefined });
  }

  /** Computes every grant anew, under the policy as of now, and returns those that changed. */
  regrant(): Regrant[] {
    const changed: Regrant[] = [];
    for (const before of this.#byFilter.values()) {
      const { granted, checkedBy } = this.#grant(before, before);
      const isSame = sameFilters(before.granted, granted) && !this.#hasMoved(before);
      if (isSame && before.checkedBy === checkedBy) continue;
      const subscription = { ...before, granted, checkedBy, audiences: undefined };
      this.#replace(before, subscription);
      changed.push({ subscription, before, isMoved: !isSame });
    }
    return changed;
  }

  /** Puts a subscription back as it was saved, before the session's first connection. */
  restore(saved: SavedSubscription, after: Seq): void {
    if (isClientTopicFilter(saved.topicFilter)) {
      this.subscribeClientTopics(saved.topicFilter);
      return;
    }
    const { groupKey: key, ...rest } = saved;
    const subscription: Subscription = { ...rest, recipient: this.#owner, checkedBy: undefined };
    this.#effectiveCount += saved.granted.length;
    this.#byFilter.set(saved.topicFilter, subscription);
    this.#levelCount += countLevels(saved.topicFilter);
    if (key === undefined) this.#joinLog(subscription, after);
    else this.#joinGroup(subscription, key, after);
  }

  saved(): SavedSubscription[] {
    const plain = [...this.#byFilter.values()].map((subscription) => {
      const { recipient: _, checkedBy: __, audiences: ___, ...saved } = subscription;
      return { ...saved, groupKey: this.#groups.get(subscription)?.key };
    });
    for (const topicFilter of this.#clientTopics.keys()) {
      plain.push({ ...clientTopicDefaults, topicFilter });
    }
    return plain;
  }

  /** Nothing more is collected; what waits (up to that record) stays (semantics.md §1.9). */
  stopCollecting(upTo?: Seq): void {
    for (const subscription of this.#groups.keys()) this.#leaveLog(subscription, "retire");
    this.#owner.reader?.freeze(upTo);
    this.#owner.replays.stopCollecting(upTo);
  }

  /** The counterpart, when a principal of the same identity resumes the session. */
  collectAgain(): void {
    for (const subscription of this.#byFilter.values()) this.#joinLog(subscription, undefined);
  }

  clear(): void {
    for (const topicFilter of this.#byFilter.keys()) this.unsubscribe(topicFilter);
    this.#clientTopics.clear();
  }

  #grant(
    request: Pick<SubscriptionRequest, "topicFilter" | "qos">,
    replaces: Subscription | undefined,
  ): { granted: readonly GrantedFilter[]; checkedBy: Policy | undefined; isNarrowed: boolean } {
    const { policy } = this.#owner.principal;
    const filter = parseShareFilter(request.topicFilter)?.filter ?? request.topicFilter;
    const limit = maxEffectiveFilters - this.#effectiveCount + (replaces?.granted.length ?? 0);
    const { filters, checked, narrowed } = policy.effectiveFilters(filter, request.qos, Math.max(1, limit));
    return { granted: filters, checkedBy: checked ? policy : undefined, isNarrowed: narrowed };
  }

  /** The new one joins before the old one leaves, and what waits for the old one stays: nothing is lost [MQTT-3.8.4-4]. */
  #replace(before: Subscription | undefined, subscription: Subscription): void {
    const { topicFilter } = subscription;
    const isNewReplay = before && isReplaying(before) && !goesOn(before, subscription);
    if (isNewReplay) this.#owner.replays.end(topicFilter);
    this.#effectiveCount += subscription.granted.length;
    if (isDelivered(subscription) && this.#owner.isConnected) this.#router.attach(subscription);
    this.#joinLog(subscription, undefined);
    this.#byFilter.set(topicFilter, subscription);
    if (!before) return;
    this.#leaveTree(before);
    if (!isNewReplay) this.#leaveLog(before, "retire");
  }

  #leaveTree(subscription: Subscription): void {
    this.#effectiveCount -= subscription.granted.length;
    this.#router.detach(subscription);
  }

  #joinLog(subscription: Subscription, after: Seq | undefined): void {
    if (isShared(subscription.topicFilter)) {
      this.#joinGroup(subscription, groupKey(subscription, this.#owner.principal), after);
      return;
    }
    if (isReplaying(subscription)) {
      this.#owner.replays.join(subscription);
      return;
    }
    const reader = subscription.tracking ? this.#owner.needReader() : this.#owner.reader;
    for (const key of outboxKeys(subscription)) reader?.hold(key, after);
  }

  #leaveLog(subscription: Subscription, how: "drop" | "retire"): void {
    const group = this.#groups.get(subscription);
    if (group) {
      this.#groups.delete(subscription);
      group.leave(subscription);
      this.#router.closeGroup(group);
    } else if (!isReplaying(subscription)) {
      for (const key of outboxKeys(subscription)) this.#owner.reader?.[how](key);
    } else if (how === "retire") {
      this.#owner.replays.retire(subscription);
    } else {
      this.#owner.replays.end(subscription.topicFilter);
    }
  }

  /** The policy opens another group to it than the one that it is in. */
  #hasMoved(subscription: Subscription): boolean {
    const group = this.#groups.get(subscription);
    return group !== undefined && group.key !== groupKey(subscription, this.#owner.principal);
  }

  #joinGroup(subscription: Subscription, key: string, after: Seq | undefined): void {
    const group = this.#router.openGroup(key);
    group.join(subscription, after);
    this.#groups.set(subscription, group);
  }
}

const clientTopicDefaults = {
  qos: 0,
  noLocal: false,
  retainAsPublished: false,
  retainHandling: 2,
  identifier: undefined,
  from: 0,
  granted: [],
  groupKey: undefined,
} as const satisfies Omit<SavedSubscription, "topicFilter">;

/** QoS 0 waits in the log only for those who take everything from it. */
function outboxKeys({ recipient, granted, tracking }: Subscription): string[] {
  if (tracking) return granted.map(({ filter }) => trackedKey(filter));
  return recipient.isLogged ? granted.filter(({ qos }) => qos > 0).map(({ filter }) => filter) : [];
}

function isReplaying(subscription: Subscription): subscription is TrackedSubscription {
  return subscription.tracking?.isReplaying === true;
}

/** Whether the router delivers to it while its session is connected. */
function isDelivered(subscription: Subscription): boolean {
  return !isShared(subscription.topicFilter) && !isReplaying(subscription);
}

/** Whether the later one is in the same replay. */
function goesOn(before: Subscription, after: Subscription): boolean {
  return isReplaying(after) && after.tracking.since === before.tracking?.since;
}

/** A group belongs to the identity that joins it, unless the policy opens the tenant-wide one (semantics.md §1.3). */
function groupKey(subscription: Subscription, principal: Principal): string {
  const { group, filter } = parseShareFilter(subscription.topicFilter) ?? { group: "", filter: "" };
  const isTenantWide = principal.policy.allowsShare(group, filter);
  const scope = isTenantWide ? "" : identityKey(principal.tenant, principal.identity);
  return `${scope.length}:${scope}${group}/${filter}`;
}

function sameFilters(before: readonly GrantedFilter[], after: readonly GrantedFilter[]): boolean {
  if (before.length !== after.length) return false;
  const qosOf = new Map(before.map((granted) => [granted.filter, granted.qos]));
  return after.every((granted) => qosOf.get(granted.filter) === granted.qos);
}
