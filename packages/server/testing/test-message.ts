import type { Qos } from "@weir/protocol";
import type { Message, Publisher } from "../src/core/ports/message.ts";
import type { Delivery } from "../src/core/routing/delivery.ts";
import type { Recipient, SharedOrigin, Subscription } from "../src/core/routing/subscription.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const nobody: Publisher = { sessionKey: "", realm: "", subject: "", clientId: "" };

/** A message of which a test says what matters to it: QoS 1, not retained, unless it says otherwise. */
export function messageOf(topic: string, payload: string, overrides: Partial<Message> = {}): Message {
  return {
    topic: { name: topic, levels: topic.split("/") },
    payload: encoder.encode(payload),
    qos: 1,
    retain: false,
    properties: undefined,
    expiresAtMs: Infinity,
    publisher: nobody,
    frames: undefined,
    ...overrides,
  };
}

export function textOf(message: Message | undefined): string | undefined {
  return message && decoder.decode(message.payload);
}

/** A subscription to one filter, granted as asked for. */
export function subscriptionOf(
  recipient: Recipient,
  topicFilter: string,
  overrides: Partial<Subscription> = {},
): Subscription {
  const qos = overrides.qos ?? 1;
  return {
    recipient,
    topicFilter,
    qos,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    identifier: undefined,
    granted: [{ filter: topicFilter, qos }],
    checkedBy: undefined,
    from: 0,
    ...overrides,
  };
}

/** A session as the router sees it, which writes down what it gets. */
export class FakeRecipient implements Recipient {
  readonly key: string;
  isLogged = false;
  isConnected = true;
  hasRoom = true;
  readonly unreadable = new Set<string>();
  readonly got: string[] = [];
  readonly shared: {
    readonly message: Message;
    readonly seq: number | undefined;
    readonly delivery: Delivery;
  }[] = [];

  constructor(key: string) {
    this.key = key;
  }

  canTake(_qos: Qos): boolean {
    return this.isConnected && this.hasRoom;
  }

  canRead({ name }: Message["topic"]): boolean {
    return !this.unreadable.has(name);
  }

  deliver(message: Message): void {
    this.got.push(textOf(message) ?? "");
  }

  deliverLogged(message: Message): void {
    this.got.push(textOf(message) ?? "");
  }

  deliverShared(message: Message, seq: number | undefined, delivery: Delivery, _origin: SharedOrigin): void {
    this.got.push(textOf(message) ?? "");
    this.shared.push({ message, seq, delivery });
  }

  /** The last shared message could not be delivered. */
  returnLast(origin: SharedOrigin): void {
    const last = this.shared.pop();
    if (last) origin.giveBack(last.message, last.seq);
  }
}
