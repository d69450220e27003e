import type { QueuePolicy } from "../access/principal-limits.ts";
import type { Seq } from "../ports/engine.ts";
import type { Message } from "../ports/message.ts";
import type { Delivery } from "../routing/delivery.ts";
import type { QueueBound, QueueBounds } from "../routing/queue-bounds.ts";
import type { SharedOrigin } from "../routing/subscription.ts";
import { HeldBytes } from "./held-bytes.ts";
import { LazyMap } from "./lazy-map.ts";

export interface QueuedMessage {
  readonly message: Message;
  readonly delivery: Delivery;
  readonly seq: Seq | undefined;
  readonly origin: SharedOrigin | undefined;
  readonly queuedAtMs: number;
}

/** Which bound was reached, and what has gone for it. */
export interface DirectCut {
  readonly bound: QueueBound;
  readonly dropped: readonly QueuedMessage[];
}

/** QoS 1 and 2 that came directly and wait for room: bounded by number and by bytes. */
export class DirectQueue {
  /** Places are counted from the first message ever; those of the dropped are empty. */
  #items: (QueuedMessage | undefined)[] = [];
  #firstPlace = 0;
  #head = 0;
  #length = 0;
  readonly #held = new HeldBytes();
  /** By topic: the place of its latest message, where the policy asks for it. */
  readonly #latest = new LazyMap<string, number>();
  /** Places whose messages were replaced by a later one of their topic. */
  #replaced: number[] = [];

  get length(): number {
    return this.#length;
  }

  /** What the messages cost in memory. */
  get bytes(): number {
    return this.#held.total;
  }

  /** Undefined: it waits, and nothing had to go. With the policy to disconnect nothing goes. */
  push(item: QueuedMessage, bounds: QueueBounds): DirectCut | undefined {
    this.#add(item, bounds.policy);
    const bound = this.#reached(bounds);
    if (bound === undefined || bounds.policy === "disconnect") return bound && { bound, dropped: [] };
    const dropped: QueuedMessage[] = [];
    while (this.#reached(bounds) !== undefined) dropped.push(this.#dropOne(bounds.policy));
    return { bound, dropped };
  }

  shift(): QueuedMessage | undefined {
    while (this.#head < this.#items.length) {
      const place = this.#firstPlace + this.#head;
      const item = this.#take(place);
      this.#head += 1;
      this.#compact();
      if (item) return item;
    }
    return undefined;
  }

  /** Empties the queue. */
  drain(): QueuedMessage[] {
    const items = this.#items.filter((item) => item !== undefined);
    this.#firstPlace += this.#items.length;
    this.#items = [];
    this.#head = 0;
    this.#length = 0;
    this.#replaced = [];
    this.#latest.clear();
    this.#held.clear();
    return items;
  }

  #add(item: QueuedMessage, policy: QueuePolicy): void {
    const place = this.#firstPlace + this.#items.length;
    this.#items.push(item);
    this.#length += 1;
    this.#held.hold(item.message);
    if (policy !== "latest-per-topic") return;
    const { name } = item.message.topic;
    const before = this.#latest.get(name);
    if (before !== undefined) this.#replaced.push(before);
    this.#latest.set(name, place);
  }

  #reached({ messages, bytes }: QueueBounds): QueueBound | undefined {
    if (this.#length > messages) return "messages";
    return this.#length > 0 && this.#held.total > bytes ? "bytes" : undefined;
  }

  /** There is at least one. */
  #dropOne(policy: QueuePolicy): QueuedMessage {
    const newest = this.#firstPlace + this.#items.length - 1;
    const dropped = policy === "drop-newest" ? this.#take(newest) : (this.#takeReplaced() ?? this.shift());
    if (policy === "drop-newest") this.#items.pop();
    return dropped as QueuedMessage;
  }

  /** The oldest that was replaced and still waits. */
  #takeReplaced(): QueuedMessage | undefined {
    for (let place = this.#replaced.shift(); place !== undefined; place = this.#replaced.shift()) {
      const item = this.#take(place);
      if (item) return item;
    }
    return undefined;
  }

  #take(place: number): QueuedMessage | undefined {
    const at = place - this.#firstPlace;
    const item = this.#items[at];
    if (!item) return undefined;
    this.#items[at] = undefined;
    this.#length -= 1;
    this.#held.release(item.message);
    if (this.#latest.get(item.message.topic.name) === place) this.#latest.delete(item.message.topic.name);
    return item;
  }

  #compact(): void {
    if (this.#length > 0 && (this.#head <= 1_024 || this.#head * 2 <= this.#items.length)) return;
    const gone = this.#length === 0 ? this.#items.length : this.#head;
    this.#items = this.#length === 0 ? [] : this.#items.slice(gone);
    this.#firstPlace += gone;
    this.#head = 0;
    if (this.#length === 0) this.#replaced = [];
  }
}
