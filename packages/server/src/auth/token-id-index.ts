/** The ids of tokens by something that they have in common: few have it, or very many. */
export class TokenIdIndex {
  readonly #ids = new Map<string, Set<string>>();

  get size(): number {
    return this.#ids.size;
  }

  add(key: string, id: string): void {
    const ids = this.#ids.get(key);
    if (ids) ids.add(id);
    else this.#ids.set(key, new Set([id]));
  }

  remove(key: string, id: string): void {
    const ids = this.#ids.get(key);
    if (ids?.delete(id) && ids.size === 0) this.#ids.delete(key);
  }

  /** As of now, whatever is added and removed while they are gone through. */
  of(key: string): readonly string[] {
    return [...(this.#ids.get(key) ?? [])];
  }

  count(key: string): number {
    return this.#ids.get(key)?.size ?? 0;
  }
}
