/** Lets one task at a time run for each key, in the order in which they came. */
export class KeyedLock {
  readonly #last = new Map<string, Promise<void>>();

  async run(key: string, task: () => Promise<void>): Promise<void> {
    const before = this.#last.get(key);
    const done = before ? before.then(task, task) : task();
    const settled = done.then(ignore, ignore);
    this.#last.set(key, settled);
    try {
      await done;
    } finally {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    }
  }
}

function ignore(): void {}
