import type { Message } from "../ports/message.ts";
import type { Delivery } from "../routing/delivery.ts";
import type { GiveBack } from "../routing/subscription.ts";
import type { Seq } from "../ports/engine.ts";

export interface QueuedMessage {
  readonly message: Message;
  readonly delivery: Delivery;
  readonly seq: Seq | undefined;
  readonly giveBack: GiveBack | undefined;
}

/** QoS 1 and 2 that came directly and wait for room: bounded by number and by bytes. */
export class DirectQueue {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  #items: QueuedMessage[] = [];
  #head = 0;
  #bytes = 0;

  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  /** False: there is no room. */
  push(item: QueuedMessage): boolean {
    const bytes = sizeOf(item);
    if (this.length >= this.#maxMessages || this.#bytes + bytes > this.#maxBytes) return false;
    this.#items.push(item);
    this.#bytes += bytes;
    return true;
  }

  shift(): QueuedMessage | undefined {
    const item = this.#items[this.#head];
    if (!item) return undefined;
    this.#head += 1;
    this.#bytes -= sizeOf(item);
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
    const items = this.#items.slice(this.#head);
    this.#items = [];
    this.#head = 0;
    this.#bytes = 0;
    return items;
  }
}

const overheadBytes = 128;

function sizeOf(item: QueuedMessage): number {
  return item.message.payload.length + overheadBytes;
}
