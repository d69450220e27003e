interface Due<T> {
  readonly id: T;
  readonly dueMs: number;
}

/** What is to be looked at, and when: a binary heap with one time for each id. */
export class DueQueue<T = string> {
  #heap: Due<T>[] = [];
  readonly #dueMs = new Map<T, number>();

  get count(): number {
    return this.#dueMs.size;
  }

  /** When the next id is due; undefined: nothing waits. An id that was set again in between may make it too early. */
  get nextMs(): number | undefined {
    return this.#heap[0]?.dueMs;
  }

  /** Sets the time of an id, in place of the one that it had. */
  set(id: T, dueMs: number): void {
    if (this.#dueMs.get(id) === dueMs) return;
    this.#dueMs.set(id, dueMs);
    this.#push({ id, dueMs });
  }

  /** Sets the time of an id unless it has an earlier one. */
  setAtMost(id: T, dueMs: number): void {
    if ((this.#dueMs.get(id) ?? Infinity) > dueMs) this.set(id, dueMs);
  }

  delete(id: T): void {
    this.#dueMs.delete(id);
  }

  /** Forgets the ids that nobody needs any more. */
  prune(isNeeded: (id: T) => boolean): void {
    for (const id of this.#dueMs.keys()) if (!isNeeded(id)) this.#dueMs.delete(id);
    const kept = this.#heap.filter(({ id, dueMs }) => this.#dueMs.get(id) === dueMs);
    this.#heap = [];
    for (const entry of kept) this.#push(entry);
  }

  /** Takes out an id that is due, or returns undefined. */
  take(nowMs: number): T | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (!first || first.dueMs > nowMs) return undefined;
      this.#removeFirst();
      if (this.#dueMs.get(first.id) !== first.dueMs) continue;
      this.#dueMs.delete(first.id);
      return first.id;
    }
  }

  #push(entry: Due<T>): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (this.#due(parent) <= entry.dueMs) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (!last || this.#heap.length === 0) return;
    this.#heap[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const smaller = this.#due(left + 1) < this.#due(left) ? left + 1 : left;
      if (this.#due(smaller) >= last.dueMs) return;
      this.#swap(at, smaller);
      at = smaller;
    }
  }

  #due(at: number): number {
    return this.#heap[at]?.dueMs ?? Infinity;
  }

  #swap(a: number, b: number): void {
    const heap = this.#heap;
    [heap[a], heap[b]] = [heap[b] as Due<T>, heap[a] as Due<T>];
  }
}
