import type { Message } from "../ports/message.ts";
import type { Delivery } from "../routing/delivery.ts";
import { LazyMap } from "./lazy-map.ts";

/** Retained messages that a subscription has still to get: taken one by one as there is room. */
export type RetainedSource = Iterator<{ readonly message: Message; readonly delivery: Delivery }, void>;

/** Where retained messages go. */
interface RetainedSink {
  readonly canTakeRetained: boolean;
  takeRetained(message: Message, delivery: Delivery): void;
}

/** The retained messages that a session is owed, by the subscription's topic filter. */
export class RetainedQueue {
  readonly #sources = new LazyMap<string, RetainedSource>();

  get isEmpty(): boolean {
    return this.#sources.size === 0;
  }

  /**
   * Owes a subscription its retained messages. What it was still owed goes with them: asked for again before they all
   * came, they are sent from the beginning.
   */
  add(topicFilter: string, source: RetainedSource): void {
    this.#sources.set(topicFilter, source);
  }

  /** Whether retained messages of the subscription are still to be sent. */
  owes(topicFilter: string): boolean {
    return this.#sources.has(topicFilter);
  }

  /** Nobody is subscribed so any longer. */
  forget(topicFilter: string): void {
    this.#sources.delete(topicFilter);
  }

  clear(): void {
    this.#sources.clear();
  }

  /** Gives to the sink what it can take. */
  pump(sink: RetainedSink): void {
    for (const [topicFilter, source] of this.#sources.entries()) {
      if (!drain(source, sink)) return;
      this.#sources.delete(topicFilter);
    }
  }
}

/** False: there is more of it than room. */
function drain(source: RetainedSource, sink: RetainedSink): boolean {
  while (sink.canTakeRetained) {
    const next = source.next();
    if (next.done === true) return true;
    sink.takeRetained(next.value.message, next.value.delivery);
  }
  return false;
}
