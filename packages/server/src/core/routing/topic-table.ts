import type { VersionSlots } from "../topics/topic-versions.ts";
import type { TopicName } from "../ports/message.ts";
import type { Delivery } from "./delivery.ts";
import type { RecipientSet } from "./recipient-set.ts";

/** A topic that was published to lately: its levels, and who gets its messages as of `stamp`. */
export interface Topic extends TopicName {
  /** Where the subscription tree counts the changes that concern this topic. */
  readonly slots: VersionSlots;
  /** The sum of those counts when `recipients` was made; -1 before. */
  stamp: number;
  recipients: RecipientSet | undefined;
  /** The router's count of changes when `recipients` was last found to hold; -1 before. */
  checkedAt: number;
  /** See `RecipientSet.sole`. */
  sole: Delivery | undefined;
}

/** What a level costs beside its characters, more or less. */
const levelBytes = 32;
/** What a recipient costs in a topic's set of them. */
const recipientBytes = 128;
const defaultGenerationBytes = 32 * 1_048_576;

/**
 * Topics by name, so that a message costs one Map look-up instead of a split and a tree walk. Bounded without
 * bookkeeping per use: when the young generation is full, by number or by what its names and levels weigh, it becomes
 * the old one, and what is used again moves up.
 */
export class TopicTable {
  readonly #generationSize: number;
  readonly #generationBytes: number;
  #youngBytes = 0;
  readonly #slotsFor: (levels: readonly string[]) => VersionSlots;
  #young = new Map<string, Topic>();
  #old = new Map<string, Topic>();

  constructor(
    slotsFor: (levels: readonly string[]) => VersionSlots,
    generationSize = 65_536,
    generationBytes: number = defaultGenerationBytes,
  ) {
    this.#slotsFor = slotsFor;
    this.#generationSize = generationSize;
    this.#generationBytes = generationBytes;
  }

  /** A topic has got a set of so many recipients, which stays with it. */
  recipientsAdded(count: number): void {
    this.#youngBytes += count * recipientBytes;
  }

  get(name: string): Topic {
    return this.#young.get(name) ?? this.#promote(name);
  }

  #promote(name: string): Topic {
    const topic = this.#old.get(name) ?? this.#create(name);
    if (this.#young.size >= this.#generationSize || this.#youngBytes >= this.#generationBytes) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(name, topic);
    this.#youngBytes += name.length + topic.levels.length * levelBytes;
    return topic;
  }

  #create(name: string): Topic {
    const levels = name.split("/");
    return {
      name,
      levels,
      slots: this.#slotsFor(levels),
      stamp: -1,
      recipients: undefined,
      checkedAt: -1,
      sole: undefined,
    };
  }
}
