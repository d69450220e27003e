import type { Clock } from "../ports/clock.ts";
import type { Message } from "../ports/message.ts";
import type { Counters, DropReason } from "../ports/telemetry.ts";
import type { Link, OutgoingPublish } from "../ports/transport.ts";
import type { Delivery } from "../routing/delivery.ts";
import type { InFlightEntry } from "./in-flight.ts";

/** Who hears of what could not be sent. */
interface DropListener {
  dropped(reason: DropReason, count: number, bytes: number): void;
}

/** How nearly every QoS 0 message leaves. */
const plainQos0: OutgoingPublish = {
  qos: 0,
  packetId: 0,
  dup: false,
  retain: false,
  subscriptionIdentifiers: undefined,
  messageExpiryInterval: undefined,
};

/** Sends one message at a time by the link of the present connection; without one, nothing is sent. */
export class MessageSender {
  link: Link | undefined;
  readonly #listener: DropListener;
  readonly #clock: Clock;
  readonly #counters: Counters;

  constructor(listener: DropListener, clock: Clock, counters: Counters) {
    this.#listener = listener;
    this.#clock = clock;
    this.#counters = counters;
  }

  /** Most messages never do: these cost no look at the clock. */
  hasExpired(message: Message): boolean {
    return message.expiresAtMs !== Infinity && message.expiresAtMs <= this.#clock.nowMs();
  }

  /** Where the link has no room the message is dropped. */
  sendQos0(message: Message, delivery: Delivery): void {
    const { link } = this;
    if (!link) return;
    if (!link.hasRoom) {
      this.#listener.dropped("slow", 1, message.payload.length);
      return;
    }
    const sent = link.publish(message, this.#howQos0(message, delivery));
    if (sent) this.#counters.messagesSent[0] += 1;
    else this.#listener.dropped("too-large", 1, message.payload.length);
  }

  /** False: it is larger than the client takes, which counts as sent [MQTT-3.1.2-25]. */
  send(entry: InFlightEntry, dup: boolean): boolean {
    const { message, packetId, qos, retain, identifiers } = entry;
    if (!this.link || !message) return true;
    const sent = this.link.publish(message, {
      qos,
      packetId,
      dup,
      retain,
      subscriptionIdentifiers: identifiers,
      messageExpiryInterval: this.#remainingS(message),
    });
    if (sent) this.#counters.messagesSent[qos] += 1;
    else this.#listener.dropped("too-large", 1, message.payload.length);
    return sent;
  }

  #howQos0(message: Message, delivery: Delivery): OutgoingPublish {
    const retain = delivery.retainAsPublished && message.retain;
    const { identifiers } = delivery;
    if (!retain && identifiers === undefined && message.expiresAtMs === Infinity) return plainQos0;
    const messageExpiryInterval = this.#remainingS(message);
    return { ...plainQos0, retain, subscriptionIdentifiers: identifiers, messageExpiryInterval };
  }

  /** Rounded up, so that what is forwarded at once keeps its full interval; never 0 for what was begun. */
  #remainingS(message: Message): number | undefined {
    if (message.expiresAtMs === Infinity) return undefined;
    return Math.max(1, Math.ceil((message.expiresAtMs - this.#clock.nowMs()) / 1_000));
  }
}
