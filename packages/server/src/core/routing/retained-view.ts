import type { Kv, Seq } from "../ports/engine.ts";
import type { Message, TopicName } from "../ports/message.ts";
import type { RetainedStore } from "../retained/retained-store.ts";
import { fromPlain, toPlain, withOwnPayload } from "./stored-message.ts";

const positionKey = "position";
const topicPrefix = "topic/";

/**
 * The retained messages as the engine keeps them: the log is the truth for QoS 1 and 2, and this view of it is saved
 * lazily, with the position up to which it is complete (semantics.md §2.2).
 */
export class RetainedView {
  readonly #store: RetainedStore;
  readonly #kv: Kv;
  readonly #topicOf: (name: string) => TopicName;
  readonly #dirty = new Set<string>();
  #savedUpTo: Seq = 0;

  constructor(store: RetainedStore, kv: Kv, topicOf: (name: string) => TopicName) {
    this.#store = store;
    this.#kv = kv;
    this.#topicOf = topicOf;
  }

  /** Records above this number are not in the saved view. */
  get savedUpTo(): Seq {
    return this.#savedUpTo;
  }

  /**
   * Makes the message the retained one at once, so that no subscriber falls between a publish and its durability.
   * `isFinal` is false while the log has still to take it; then the function returned undoes it if the log does not.
   */
  stage(message: Message, isFinal: boolean): () => void {
    const { levels, name } = message.topic;
    const before = this.#store.get(levels);
    const staged = withOwnPayload(message);
    this.#store.put(staged);
    if (isFinal) this.#dirty.add(name);
    const after = this.#store.get(levels);
    return () => {
      if (this.#store.get(levels) !== after) return;
      if (before) this.#store.put(before);
      else this.#store.remove(levels);
    };
  }

  /** The log has the topic's message: the saved view has to follow. */
  settle(name: string): void {
    this.#dirty.add(name);
  }

  /** A record found by recovery: newer than the saved view. */
  recover(message: Message, seq: Seq): void {
    if (seq <= this.#savedUpTo) return;
    this.#store.put(withOwnPayload(message));
    this.#dirty.add(message.topic.name);
  }

  async load(): Promise<void> {
    const position = await this.#kv.get(positionKey);
    if (typeof position?.value === "number") this.#savedUpTo = position.value;
    for await (const entry of this.#kv.list(topicPrefix))
      this.#store.put(fromPlain(entry.value, this.#topicOf));
  }

  /** Saves what has changed; afterwards the view is complete up to `upTo`, which the tail had reached at the call. */
  async save(upTo: Seq): Promise<void> {
    if (this.#dirty.size === 0 && upTo === this.#savedUpTo) return;
    const names = [...this.#dirty];
    this.#dirty.clear();
    try {
      await Promise.all(names.map((name) => this.#saveTopic(name)));
      await this.#kv.put(positionKey, upTo);
      this.#savedUpTo = upTo;
    } catch (error) {
      for (const name of names) this.#dirty.add(name);
      throw error;
    }
  }

  async #saveTopic(name: string): Promise<void> {
    const message = this.#store.get(this.#topicOf(name).levels);
    if (message) await this.#kv.put(topicPrefix + name, toPlain(message));
    else await this.#kv.delete(topicPrefix + name);
  }
}
