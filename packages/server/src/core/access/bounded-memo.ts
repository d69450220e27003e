/** Results by key, within a bound on their weight: the oldest go first. */
export class BoundedMemo<V> {
  readonly #maxWeight: number;
  readonly #weigh: (value: V) => number;
  readonly #values = new Map<string, V>();
  #weight = 0;

  constructor(maxWeight: number, weigh: (value: V) => number) {
    this.#maxWeight = maxWeight;
    this.#weigh = weigh;
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  /** The key is not known yet. */
  add(key: string, value: V): void {
    this.#weight += this.#weigh(value);
    for (const [oldest, forgotten] of this.#values) {
      if (this.#weight <= this.#maxWeight) break;
      this.#values.delete(oldest);
      this.#weight -= this.#weigh(forgotten);
    }
    this.#values.set(key, value);
  }
}
