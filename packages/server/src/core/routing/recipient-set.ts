import type { History } from "../history/history.ts";
import type { TopicName } from "../ports/message.ts";
import type { Audience } from "./audience.ts";
import type { Delivery, DeliveryPart, DeliveryPath } from "./delivery.ts";
import { mergeDelivery } from "./delivery.ts";
import type { Outbox } from "./outbox.ts";
import type { ShareGroup } from "./share-group.ts";
import { isTrackedKey } from "./tracked-key.ts";
import type { Recipient, Subscription } from "./subscription.ts";

/** What the subscription tree holds. */
export type Subscriber = Audience | Outbox | ShareGroup | History;

type ListsByPath = Readonly<Record<DeliveryPath, readonly DeliveryList[]>>;

/** Run over them up to the length that the array has at first: see {@link Audience.members}. */
export interface DeliveryList {
  readonly members: readonly Delivery[];
}

/**
 * Who gets the messages of one topic. Audiences are decided on once and then live in here: who joins or leaves one does
 * so for all topics. Only where a session is in several of them are its deliveries merged, and kept until an audience
 * changes.
 */
export class RecipientSet {
  /** Sessions that take every message directly. */
  readonly direct: readonly DeliveryList[];
  /** Connected sessions that take QoS 1 and 2 from the log. */
  readonly logged: readonly DeliveryList[];
  /** Connected sessions that take from the log whatever it has. */
  readonly tracked: readonly DeliveryList[];
  readonly outboxes: readonly Outbox[];
  readonly groups: readonly ShareGroup[];
  /** Every message goes into the log for these. */
  readonly histories: readonly History[];
  /** How many places this takes, more or less. */
  readonly weight: number;
  readonly #audiences: readonly Audience[];
  readonly #version: number;
  readonly #merged: ReadonlyMap<Recipient, Delivery>;

  constructor(topic: TopicName, subscribers: readonly Subscriber[]) {
    const audiences = new Set<Audience>();
    const outboxes = new Set<Outbox>();
    const groups = new Set<ShareGroup>();
    const histories: History[] = [];
    for (const subscriber of subscribers) {
      if (subscriber.kind === "outbox") outboxes.add(subscriber);
      else if (subscriber.kind === "group") groups.add(subscriber);
      else if (subscriber.kind === "history") histories.push(subscriber);
      else if (mayRead(subscriber, topic)) audiences.add(subscriber);
    }
    this.outboxes = [...outboxes];
    this.groups = [...groups];
    this.histories = histories;
    this.#audiences = [...audiences];
    this.#version = this.#sumOfVersions();
    this.#merged = mergeShared(this.#audiences);
    const isFlat = this.#merged.size > 0;
    const lists = isFlat ? this.#flatten() : split(this.#audiences);
    this.direct = lists.direct;
    this.logged = lists.logged;
    this.tracked = lists.tracked;
    this.weight = isFlat ? sizeOf(this.#audiences) : this.#audiences.length;
  }

  /** False: an audience has changed, and sessions may be in several of them now that were not. */
  get isCurrent(): boolean {
    return this.#audiences.length < 2 || this.#version === this.#sumOfVersions();
  }

  /** The one session that gets a message of QoS 0, where nothing else has to be told of it: so it is in most fleets. */
  get sole(): Delivery | undefined {
    const { direct, logged, tracked, groups, histories } = this;
    if (direct.length + logged.length !== 1 || tracked.length + groups.length + histories.length > 0)
      return undefined;
    const { members } = (direct[0] ?? logged[0]) as DeliveryList;
    return members.length === 1 ? members[0] : undefined;
  }

  /** A message of QoS 1 or 2 has to go through the log: every session that takes from it holds an outbox. */
  get needsLog(): boolean {
    return this.outboxes.length > 0 || this.histories.length > 0;
  }

  /** Somebody takes from the log what it has of QoS 0. */
  get takesQos0FromLog(): boolean {
    return this.tracked.length > 0 || this.outboxes.some((outbox) => isTrackedKey(outbox.filter));
  }

  get isEmpty(): boolean {
    const { direct, logged, tracked, outboxes, groups } = this;
    return direct.length + logged.length + tracked.length + outboxes.length + groups.length === 0;
  }

  of(recipient: Recipient): Delivery | undefined {
    const merged = this.#merged.get(recipient);
    if (merged) return merged;
    for (const audience of this.#audiences) {
      const delivery = audience.of(recipient);
      if (delivery) return delivery;
    }
    return undefined;
  }

  #sumOfVersions(): number {
    let sum = 0;
    for (const audience of this.#audiences) sum += audience.version;
    return sum;
  }

  /** One list, because the members of the audiences are not all to be visited. */
  #flatten(): ListsByPath {
    const merged = this.#merged;
    const all = [...merged.values()];
    for (const { members } of this.#audiences) {
      for (const member of members) if (!merged.has(member.recipient)) all.push(member);
    }
    const on = (path: DeliveryPath): DeliveryList[] => listOf(all.filter((one) => one.path === path));
    return { direct: on("direct"), logged: on("logged"), tracked: on("tracked") };
  }
}

const nobody: ReadonlyMap<Recipient, Delivery> = new Map();

function mayRead({ checkedBy }: Audience, { name, levels }: TopicName): boolean {
  return checkedBy === undefined || checkedBy.canRead(name, levels);
}

function split(audiences: readonly Audience[]): ListsByPath {
  const on = (path: DeliveryPath): DeliveryList[] => audiences.filter((one) => one.path === path);
  return { direct: on("direct"), logged: on("logged"), tracked: on("tracked") };
}

function listOf(members: readonly Delivery[]): DeliveryList[] {
  return members.length === 0 ? [] : [{ members }];
}

function sizeOf(audiences: readonly Audience[]): number {
  return audiences.reduce((sum, audience) => sum + audience.size, 0);
}

/** The one copy for each session that is in several audiences. All are visited but the members of the largest. */
function mergeShared(audiences: readonly Audience[]): ReadonlyMap<Recipient, Delivery> {
  if (audiences.length < 2) return nobody;
  const largest = audiences.reduce((a, b) => (b.size > a.size ? b : a));
  const parts = new Map<Recipient, DeliveryPart[]>();
  for (const audience of audiences)
    if (audience !== largest) audience.members.forEach((one) => add(parts, one));
  const merged = new Map<Recipient, Delivery>();
  for (const [recipient, found] of parts) {
    const more = largest.of(recipient);
    if (more) add(parts, more);
    if (found.length > 1) merged.set(recipient, mergeDelivery(recipient, bestOfEach(found)) as Delivery);
  }
  return merged;
}

function add(parts: Map<Recipient, DeliveryPart[]>, { recipient, parts: more }: Delivery): void {
  const found = parts.get(recipient);
  if (found) found.push(...more);
  else parts.set(recipient, [...more]);
}

/** Granted filters of one subscription may overlap: it counts once, with the best QoS (semantics.md §1.4). */
function bestOfEach(parts: readonly DeliveryPart[]): DeliveryPart[] {
  const best = new Map<Subscription, DeliveryPart>();
  for (const part of parts) {
    const known = best.get(part.subscription);
    if (!known || known.qos < part.qos) best.set(part.subscription, part);
  }
  return [...best.values()];
}

/** The delivery of a message to one share group member: that one subscription. */
export function sharedDelivery(subscription: Subscription): Delivery {
  const qos = subscription.granted.reduce<0 | 1 | 2>(
    (best, granted) => (granted.qos > best ? granted.qos : best),
    0,
  );
  return mergeDelivery(subscription.recipient, [{ subscription, qos }]) as Delivery;
}
