/** Indices of the counters that concern one topic; see {@link TopicVersions.slotsFor}. */
export type VersionSlots = readonly [number, number, number, number];

const WILD = "+";
/** Stands for the missing second level of `a`; U+0000 occurs in no topic [MQTT-1.5.4-2]. */
const NONE = "\0";

/**
 * Counters that tell whether what was derived from a topic's matching filters is still valid.
 *
 * A filter counts under its first two levels, each literal or wild. Four such prefixes can concern a topic, so whoever
 * caches something per topic keeps its four slots and compares their sum: no string work, and a filter below
 * `data/u1` touches no topic below `data/u2`.
 *
 * The counters stand in a table of fixed size, indexed by a hash of the prefix: memory does not grow with the prefixes
 * ever seen, and a collision costs one needless recomputation. Several trees may share a table. Counters are doubles,
 * so a sum never wraps round.
 */
export class TopicVersions {
  readonly #counters: Float64Array;
  readonly #mask: number;
  /** Of all counters together: while it stands still, nothing that was derived has to be compared. */
  changes = 0;

  /** @param size number of counters of 8 bytes, rounded up to a power of two */
  constructor(size = 65_536) {
    const rounded = 2 ** Math.ceil(Math.log2(Math.max(size, 2)));
    this.#counters = new Float64Array(rounded);
    this.#mask = rounded - 1;
  }

  /** The four counters that any filter which matches this topic name counts under. */
  slotsFor(topic: readonly string[]): VersionSlots {
    const first = topic[0] ?? NONE;
    const second = topic[1] ?? NONE;
    return [
      this.#slot(first, second),
      this.#slot(first, WILD),
      this.#slot(WILD, second),
      this.#slot(WILD, WILD),
    ];
  }

  /** Rises whenever a filter that may match the slots' topic comes or goes. */
  sum(slots: VersionSlots): number {
    const counters = this.#counters;
    return (
      (counters[slots[0]] as number) +
      (counters[slots[1]] as number) +
      (counters[slots[2]] as number) +
      (counters[slots[3]] as number)
    );
  }

  /** Notes that a topic filter came, went or changed its meaning. */
  bump(filter: readonly string[]): void {
    const first = filter[0] ?? NONE;
    const slot =
      first === "#"
        ? this.#slot(WILD, WILD)
        : this.#slot(first, filter[1] === "#" ? WILD : (filter[1] ?? NONE));
    (this.#counters[slot] as number)++;
    this.changes++;
  }

  #slot(first: string, second: string): number {
    return mix(hash(hash(0x811c9dc5, first) ^ 0x2f, second)) & this.#mask;
  }
}

/** FNV-1a over UTF-16 code units. */
function hash(seed: number, text: string): number {
  let value = Math.imul(seed, 0x01000193);
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value;
}

/** Carries the high bits down, which the mask would cut off. */
function mix(value: number): number {
  const folded = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return folded ^ (folded >>> 13);
}
