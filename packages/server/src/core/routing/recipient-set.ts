import type { Delivery, DeliveryPart } from "./delivery.ts";
import { mergeDelivery } from "./delivery.ts";
import type { Outbox } from "./outbox.ts";
import type { ShareGroup } from "./share-group.ts";
import type { Recipient, Subscription, SubscriptionEntry } from "./subscription.ts";

/** What the subscription tree holds. */
export type Subscriber = SubscriptionEntry | Outbox | ShareGroup;

/** Who gets the messages of one topic. */
export class RecipientSet {
  /** Sessions that take every message directly. */
  readonly direct: readonly Delivery[];
  /** Connected sessions that take QoS 1 and 2 from the log. */
  readonly logged: readonly Delivery[];
  readonly outboxes: readonly Outbox[];
  readonly groups: readonly ShareGroup[];
  #byRecipient: Map<Recipient, Delivery> | undefined;

  constructor(subscribers: readonly Subscriber[]) {
    const parts = new Map<Recipient, DeliveryPart[]>();
    const outboxes = new Set<Outbox>();
    const groups = new Set<ShareGroup>();
    for (const subscriber of subscribers) {
      if (subscriber.kind === "entry") addPart(parts, subscriber);
      else if (subscriber.kind === "outbox") outboxes.add(subscriber);
      else groups.add(subscriber);
    }
    const deliveries = [...parts].map(([recipient, found]) => mergeDelivery(recipient, found) as Delivery);
    this.direct = deliveries.filter((delivery) => !takesFromLog(delivery));
    this.logged = deliveries.filter(takesFromLog);
    this.outboxes = [...outboxes];
    this.groups = [...groups];
  }

  /** A message of QoS 1 or 2 has to go through the log: every session that takes from it holds an outbox. */
  get needsLog(): boolean {
    return this.outboxes.length > 0;
  }

  get isEmpty(): boolean {
    return this.direct.length + this.logged.length + this.outboxes.length + this.groups.length === 0;
  }

  of(recipient: Recipient): Delivery | undefined {
    this.#byRecipient ??= new Map(
      [...this.direct, ...this.logged].map((delivery) => [delivery.recipient, delivery]),
    );
    return this.#byRecipient.get(recipient);
  }
}

function takesFromLog(delivery: Delivery): boolean {
  return delivery.recipient.isLogged && delivery.qos > 0;
}

/** Granted filters of one subscription may overlap: it counts once, with the best QoS (semantics.md §1.4). */
function addPart(parts: Map<Recipient, DeliveryPart[]>, entry: SubscriptionEntry): void {
  const { recipient } = entry.subscription;
  const found = parts.get(recipient);
  if (!found) {
    parts.set(recipient, [entry]);
    return;
  }
  const index = found.findIndex((part) => part.subscription === entry.subscription);
  if (index < 0) found.push(entry);
  else if (partQos(found, index) < entry.qos) found[index] = entry;
}

function partQos(parts: readonly DeliveryPart[], index: number): number {
  return (parts[index] as DeliveryPart).qos;
}

/** The delivery of a message to one share group member: that one subscription. */
export function sharedDelivery(subscription: Subscription): Delivery {
  const qos = subscription.granted.reduce<0 | 1 | 2>(
    (best, granted) => (granted.qos > best ? granted.qos : best),
    0,
  );
  return mergeDelivery(subscription.recipient, [{ subscription, qos }]) as Delivery;
}
