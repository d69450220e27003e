import type { Qos } from "@weir/protocol";
import type { Seq } from "../ports/engine.ts";
import type { Message } from "../ports/message.ts";
import type { Recipient, Subscription } from "./subscription.ts";

/**
 * `direct`: at once, whatever the QoS. `logged`: QoS 1 and 2 by the log. `tracked`: whatever the log has by the log, the
 * rest at once.
 */
export type DeliveryPath = "direct" | "logged" | "tracked";

/** How one session gets the messages of one topic: its matching subscriptions merged into one copy. */
export interface Delivery {
  readonly recipient: Recipient;
  readonly path: DeliveryPath;
  /** The highest granted [MQTT-3.3.4-2]. */
  readonly qos: Qos;
  readonly retainAsPublished: boolean;
  /** All that the matching subscriptions have [MQTT-3.3.4-4]. */
  readonly identifiers: readonly number[] | undefined;
  readonly isChecked: boolean;
  /** Some of the subscriptions must not see what their own session published. */
  readonly hasNoLocal: boolean;
  /** Some of the subscriptions ask for the positions of messages. */
  readonly hasPosition: boolean;
  /** Records at or below this number are older than some of the subscriptions: see `asRecorded`. */
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
  let isTracked = false;
  let hasPosition = false;
  const identifiers: number[] = [];
  for (const part of parts) {
    const { subscription } = part;
    if (part.qos > qos) qos = part.qos;
    newestFrom = Math.max(newestFrom, mergedFrom(subscription));
    isTracked ||= subscription.tracking !== undefined;
    hasPosition ||= subscription.tracking?.hasPosition === true;
    if (subscription.identifier !== undefined) identifiers.push(subscription.identifier);
    retainAsPublished ||= subscription.retainAsPublished;
    isChecked ||= subscription.checkedBy !== undefined;
    hasNoLocal ||= subscription.noLocal;
  }
  return {
    recipient,
    path: pathOf(recipient, qos, isTracked),
    qos,
    retainAsPublished,
    identifiers: identifiers.length > 0 ? identifiers : undefined,
    isChecked,
    hasNoLocal,
    hasPosition,
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

/**
 * The delivery of a record: without the subscriptions that are younger than it. Undefined: none is left, or what is left
 * had the message directly when it was published, because the subscriptions that take it from the log were not there.
 */
export function asRecorded(delivery: Delivery, message: Message, seq: Seq): Delivery | undefined {
  const { recipient, parts } = delivery;
  const published = mergeDelivery(
    recipient,
    parts.filter(({ subscription }) => mergedFrom(subscription) < seq),
  );
  if (published && isDirect(published, message)) return undefined;
  return mergeDelivery(
    recipient,
    parts.filter(({ subscription }) => subscription.from < seq),
  );
}

/** Whether a message that the log has too is delivered at once. */
function isDirect({ path }: Delivery, message: Message): boolean {
  return path === "direct" || (path === "logged" && message.qos === 0);
}

function mergedFrom({ tracking, from }: Subscription): Seq {
  return tracking?.mergedFrom ?? from;
}

export function pathOf(recipient: Recipient, qos: Qos, isTracked: boolean): DeliveryPath {
  if (isTracked) return "tracked";
  return recipient.isLogged && qos > 0 ? "logged" : "direct";
}
