/** Above this length a search through the array costs more than keeping an index. */
const INDEX_ABOVE = 16;

/**
 * A set that is read far more often than it changes: an array to run over, with an index only once it is long, so that
 * the one value of a usual filter costs little and the 100,000th is still removed at once. The order is arbitrary.
 */
export class ValueList<V> {
  #values: V[] = [];
  #indexOf: Map<V, number> | undefined;

  /** Valid until the next change. */
  get values(): readonly V[] {
    return this.#values;
  }

  /** @returns false if it was there already */
  add(value: V): boolean {
    if (this.#find(value) >= 0) return false;
    // An array that grew by pushing has room for 17, and most lists have one value.
    if (this.#values.length === 0) this.#values = [value];
    else this.#values.push(value);
    if (this.#indexOf) this.#indexOf.set(value, this.#values.length - 1);
    else if (this.#values.length > INDEX_ABOVE)
      this.#indexOf = new Map(this.#values.map((held, i) => [held, i]));
    return true;
  }

  /** @returns false if it was not there */
  delete(value: V): boolean {
    const at = this.#find(value);
    if (at < 0) return false;
    const last = this.#values.pop() as V;
    this.#indexOf?.delete(value);
    if (at < this.#values.length) {
      this.#values[at] = last;
      this.#indexOf?.set(last, at);
    }
    if (this.#values.length <= INDEX_ABOVE / 2) this.#indexOf = undefined;
    return true;
  }

  #find(value: V): number {
    return this.#indexOf ? (this.#indexOf.get(value) ?? -1) : this.#values.indexOf(value);
  }
}
