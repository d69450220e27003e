import type { Message } from "../ports/message.ts";
import type { Delivery } from "../routing/delivery.ts";
import type { SharedOrigin } from "../routing/subscription.ts";
import type { Seq } from "../ports/engine.ts";
import { HeldBytes } from "./held-bytes.ts";

export interface QueuedMessage {
  readonly message: Message;
  readonly delivery: Delivery;
  readonly seq: Seq | undefined;
  readonly origin: SharedOrigin | undefined;
}

/** QoS 1 and 2 that came directly and wait for room: bounded by number and by bytes. */
export class DirectQueue {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  #items: (QueuedMessage | undefined)[] = [];
  #head = 0;
  readonly #held = new HeldBytes();

  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  /** Undefined: it waits. Else what there is no room for. */
  push(item: QueuedMessage): "messages" | "bytes" | undefined {
    if (this.length >= this.#maxMessages) return "messages";
    this.#held.hold(item.message);
    if (this.#held.total > this.#maxBytes) {
      this.#held.release(item.message);
      return "bytes";
    }
    this.#items.push(item);
    return undefined;
  }

  shift(): QueuedMessage | undefined {
    const item = this.#items[this.#head];
    if (!item) return undefined;
    this.#items[this.#head] = undefined;
    this.#head += 1;
    this.#held.release(item.message);
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head > 1_024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Empties the queue. */
  drain(): QueuedMessage[] {
    const items = this.#items.slice(this.#head).filter((item) => item !== undefined);
    this.#items = [];
    this.#head = 0;
    this.#held.clear();
    return items;
  }
}
