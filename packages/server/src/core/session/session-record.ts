import type { Held, OwnedParts, Owners, Plain } from "../ports/engine.ts";

type PartName = keyof OwnedParts;

/** Where a session's parts are read when they are saved. */
export interface RecordSource {
  part(name: PartName): Plain;
  /** Something waits to be saved: within a second somebody has to. */
  recordMarked(): void;
  /** The record cannot be written any more, or it is not known whether it was. */
  recordFailed(error: unknown): void;
}

/** What the engine remembers of a session. Saves of one turn are gathered into one. */
export class SessionRecord {
  readonly #owners: Owners;
  readonly #held: Held;
  readonly #source: RecordSource;
  readonly #dirty = new Set<PartName>();
  #next: Promise<void> | undefined;
  #isClosed = false;

  constructor(owners: Owners, held: Held, source: RecordSource) {
    this.#owners = owners;
    this.#held = held;
    this.#source = source;
  }

  get held(): Held {
    return this.#held;
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** The parts will be saved with the next `save`. */
  mark(...names: readonly PartName[]): void {
    if (this.#dirty.size === 0) this.#source.recordMarked();
    for (const name of names) this.#dirty.add(name);
  }

  /** Resolves when a save that began after the call is durable; rejects when it is not (or may not be). */
  save(...names: readonly PartName[]): Promise<void> {
    this.mark(...names);
    this.#next ??= this.#saveSoon();
    return this.#next;
  }

  /** Saves, then goes on; where the save fails it does not go on: `recordFailed` has ended the connection. */
  saveThen(names: readonly PartName[], next: () => void): void {
    this.save(...names).then(next, ignore);
  }

  /** Gives the record up; with `forget` nothing of it remains. */
  async close(forget: boolean): Promise<void> {
    if (this.#isClosed) return;
    if (!forget) await this.#next?.catch(ignore);
    this.#isClosed = true;
    await this.#owners.release(this.#held, forget);
  }

  async #saveSoon(): Promise<void> {
    await Promise.resolve();
    this.#next = undefined;
    if (this.#isClosed) return;
    const parts: { -readonly [name in PartName]?: Plain } = {};
    for (const name of this.#dirty) parts[name] = this.#source.part(name);
    this.#dirty.clear();
    try {
      await this.#owners.save(this.#held, parts);
    } catch (error) {
      if (!this.#isClosed) this.#source.recordFailed(error);
      throw error;
    }
  }
}

/** What failed was told by `recordFailed`. */
function ignore(): void {}
