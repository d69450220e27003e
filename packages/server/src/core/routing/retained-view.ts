import type { Kv, Seq } from "../ports/engine.ts";
import type { Message, TopicName } from "../ports/message.ts";
import type { RetainedStore } from "../retained/retained-store.ts";
import { fromPlain, toPlain, withOwnPayload } from "./stored-message.ts";

const positionKey = "position";
const topicPrefix = "topic/";

/** A retained message that the log has still to take, over what was there before. */
interface Layer {
  readonly message: Message | undefined;
  isUndone: boolean;
  below: Layer | undefined;
}

export interface Staging {
  readonly keep: () => void;
  readonly undo: () => void;
}

const notStaged: Staging = { keep: () => {}, undo: () => {} };

/**
 * The retained messages as the engine keeps them: the log is the truth for QoS 1 and 2, and this view of it is saved
 * lazily, with the position up to which it is complete (semantics.md §2.2).
 */
export class RetainedView {
  readonly #store: RetainedStore;
  readonly #kv: Kv;
  readonly #topicOf: (name: string) => TopicName;
  readonly #maxMessages: () => number;
  readonly #dirty = new Set<string>();
  /** By topic: the newest of the messages that the log has still to take. */
  readonly #staged = new Map<string, Layer>();
  #savedUpTo: Seq = 0;

  constructor(
    store: RetainedStore,
    kv: Kv,
    topicOf: (name: string) => TopicName,
    maxMessages: () => number = () => Infinity,
  ) {
    this.#store = store;
    this.#maxMessages = maxMessages;
    this.#kv = kv;
    this.#topicOf = topicOf;
  }

  /** Records above this number are not in the saved view. */
  get savedUpTo(): Seq {
    return this.#savedUpTo;
  }

  /** Whether there may be a retained message more, if it takes one: it clears or replaces another where it does not. */
  hasRoomFor({ payload, topic }: Pick<Message, "payload" | "topic">): boolean {
    if (payload.length === 0 || this.#store.count < this.#maxMessages()) return true;
    return this.#store.get(topic.levels) !== undefined;
  }

  /** Makes a message that does not go through the log the retained one, if there is room for it. */
  put(message: Message): void {
    if (!this.hasRoomFor(message)) return;
    const { name } = message.topic;
    this.#staged.delete(name);
    this.#store.put(withOwnPayload(message));
    this.#dirty.add(name);
  }

  /**
   * Makes the message the retained one at once, so that no subscriber falls between a publish and its durability, while
   * the log has still to take it. Then `keep` is to be called, or `undo` where the log does not. Where there is no room
   * for it, it is not retained.
   */
  stage(message: Message): Staging {
    if (!this.hasRoomFor(message)) return notStaged;
    const { levels, name } = message.topic;
    const below = this.#staged.get(name) ?? {
      message: this.#store.get(levels),
      isUndone: false,
      below: undefined,
    };
    const layer: Layer = { message: withOwnPayload(message), isUndone: false, below };
    this.#staged.set(name, layer);
    this.#store.put(layer.message as Message);
    return { keep: () => this.#keep(name, layer), undo: () => this.#undo(message.topic, layer) };
  }

  /** The log has the topic's message: the saved view has to follow. */
  settle(name: string): void {
    this.#dirty.add(name);
  }

  /** A record found by recovery: newer than the saved view. */
  recover(message: Message, seq: Seq): void {
    if (seq <= this.#savedUpTo || !this.hasRoomFor(message)) return;
    this.#store.put(withOwnPayload(message));
    this.#dirty.add(message.topic.name);
  }

  /** Forgets what has expired, if not at once: nobody is sent it any more. */
  expire(nowMs: number): void {
    for (const { topic } of this.#store.takeExpired(nowMs)) this.#dirty.add(topic.name);
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

  #keep(name: string, layer: Layer): void {
    layer.below = undefined;
    if (this.#staged.get(name) === layer) this.#staged.delete(name);
  }

  /** The newest that the log has, or may still take, is the retained one again. */
  #undo({ name, levels }: TopicName, layer: Layer): void {
    layer.isUndone = true;
    if (this.#staged.get(name) !== layer) return;
    let newest = layer;
    while (newest.isUndone && newest.below) newest = newest.below;
    if (newest.below) this.#staged.set(name, newest);
    else this.#staged.delete(name);
    if (newest.message) this.#store.put(newest.message);
    else this.#store.remove(levels);
    this.#dirty.add(name); // the saved view may have seen what is undone
  }

  async #saveTopic(name: string): Promise<void> {
    const message = this.#store.get(this.#topicOf(name).levels);
    if (message) await this.#kv.put(topicPrefix + name, toPlain(message));
    else await this.#kv.delete(topicPrefix + name);
  }
}
