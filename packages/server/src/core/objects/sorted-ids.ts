/** Ids in rising order; cheap to add at the end, where the ids of new tokens belong. */
export class SortedIds {
  readonly #ids: string[] = [];

  get count(): number {
    return this.#ids.length;
  }

  add(id: string): void {
    const at = this.#firstNotBelow(id);
    if (this.#ids[at] !== id) this.#ids.splice(at, 0, id);
  }

  remove(id: string): void {
    const at = this.#firstNotBelow(id);
    if (this.#ids[at] === id) this.#ids.splice(at, 1);
  }

  /** Those above `after`, or all. */
  *after(after: string | undefined): Generator<string> {
    let at = after === undefined ? 0 : this.#firstNotBelow(after);
    if (this.#ids[at] === after) at++;
    for (; at < this.#ids.length; at++) yield this.#ids[at] as string;
  }

  #firstNotBelow(id: string): number {
    let low = 0;
    let high = this.#ids.length;
    if (high > 0 && (this.#ids[high - 1] as string) < id) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ids[middle] as string) < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
