/** Lets one task at a time run for each key, in the order in which they came. */
export class KeyedLock {
  readonly #last = new Map<string, Promise<unknown>>();

  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const done = before ? before.then(task, task) : task();
    this.#last.set(key, done);
    const settled = (): void => {
      if (this.#last.get(key) === done) this.#last.delete(key);
    };
    done.then(settled, settled);
    return done;
  }
}
