import type { Qos } from "@weir/protocol";
import type { Seq } from "../ports/engine.ts";
import type { Recipient, Subscription } from "./subscription.ts";

/** How one session gets the messages of one topic: its matching subscriptions merged into one copy. */
export interface Delivery {
  readonly recipient: Recipient;
  /** The highest granted [MQTT-3.3.4-2]. */
  readonly qos: Qos;
  readonly retainAsPublished: boolean;
  /** All that the matching subscriptions have [MQTT-3.3.4-4]. */
  readonly identifiers: readonly number[] | undefined;
  readonly isChecked: boolean;
  /** Some of the subscriptions must not see what their own session published. */
  readonly hasNoLocal: boolean;
  /** Records at or below this number are older than some of the subscriptions. */
  readonly newestFrom: Seq;
  readonly parts: readonly DeliveryPart[];
}

/** A matching subscription, with the best QoS of its matching granted filters. */
export interface DeliveryPart {
  readonly subscription: Subscription;
  readonly qos: Qos;
}

/** Merges matching subscriptions of one session; undefined where there is none. */
export function mergeDelivery(recipient: Recipient, parts: readonly DeliveryPart[]): Delivery | undefined {
  if (parts.length === 0) return undefined;
  let qos: Qos = 0;
  let retainAsPublished = false;
  let isChecked = false;
  let hasNoLocal = false;
  let newestFrom = 0;
  const identifiers: number[] = [];
  for (const part of parts) {
    const { subscription } = part;
    if (part.qos > qos) qos = part.qos;
    if (subscription.from > newestFrom) newestFrom = subscription.from;
    if (subscription.identifier !== undefined) identifiers.push(subscription.identifier);
    retainAsPublished ||= subscription.retainAsPublished;
    isChecked ||= subscription.checkedBy !== undefined;
    hasNoLocal ||= subscription.noLocal;
  }
  return {
    recipient,
    qos,
    retainAsPublished,
    identifiers: identifiers.length > 0 ? identifiers : undefined,
    isChecked,
    hasNoLocal,
    newestFrom,
    parts,
  };
}

/** The delivery of a message that the session published itself: without its no-local subscriptions [MQTT-3.8.3-3]. */
export function withoutNoLocal(delivery: Delivery): Delivery | undefined {
  return mergeDelivery(
    delivery.recipient,
    delivery.parts.filter((part) => !part.subscription.noLocal),
  );
}

/** The delivery of a record: without the subscriptions that are younger than it. */
export function asOf(delivery: Delivery, seq: Seq): Delivery | undefined {
  return mergeDelivery(
    delivery.recipient,
    delivery.parts.filter((part) => part.subscription.from < seq),
  );
}
