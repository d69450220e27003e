import { EngineError, type Held, type OwnedParts, type Owners, type Plain } from "../ports/engine.ts";

/**
 * What is saved together. `progress` is the cursor and the messages in flight, which are its only exceptions
 * (semantics.md §2.4): one without the other would lose messages, or send them twice.
 */
export type RecordPart = "meta" | "progress";

/** Where a session's parts are read when they are saved. */
export interface RecordSource {
  metaPart(): Plain;
  progressParts(): Pick<OwnedParts, "cursor" | "inFlight">;
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
  #isMetaDirty = false;
  #isProgressDirty = false;
  #next: Promise<void> | undefined;
  /** Somebody goes on only when it is saved. */
  #isAwaited = false;
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
    return this.#isMetaDirty || this.#isProgressDirty;
  }

  /** The parts will be saved with the next `save`. */
  mark(...names: readonly RecordPart[]): void {
    if (!this.isDirty) this.#source.recordMarked();
    if (names.includes("meta")) this.#isMetaDirty = true;
    if (names.includes("progress")) this.#isProgressDirty = true;
  }

  /** Resolves when a save that began after the call is durable; rejects when it is not (or may not be). */
  save(...names: readonly RecordPart[]): Promise<void> {
    this.#isAwaited = true;
    this.mark(...names);
    this.#next ??= this.#saveSoon();
    return this.#next;
  }

  /** What is marked. Nobody waits for it: on a full disk it stays marked, and nothing ends. */
  saveMarked(): Promise<void> {
    this.#next ??= this.#saveSoon();
    return this.#next;
  }

  /** Saves, then goes on; where the save fails it does not go on: `recordFailed` has ended the connection. */
  saveThen(names: readonly RecordPart[], next: () => void): void {
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
    const names = this.#dirtyParts;
    const isAwaited = this.#isAwaited;
    this.#isMetaDirty = this.#isProgressDirty = false;
    this.#isAwaited = false;
    try {
      await this.#owners.save(this.#held, this.#parts(names));
    } catch (error) {
      if (!this.#isClosed) this.#failed(names, error, isAwaited);
      throw error;
    }
  }

  get #dirtyParts(): RecordPart[] {
    const names: RecordPart[] = [];
    if (this.#isMetaDirty) names.push("meta");
    if (this.#isProgressDirty) names.push("progress");
    return names;
  }

  #parts(names: readonly RecordPart[]): OwnedParts {
    return {
      ...(names.includes("meta") && { meta: this.#source.metaPart() }),
      ...(names.includes("progress") && this.#source.progressParts()),
    };
  }

  /** What was not saved still has to be. */
  #failed(names: readonly RecordPart[], error: unknown, isAwaited: boolean): void {
    this.mark(...names);
    const isFull = error instanceof EngineError && error.code === "full";
    if (isAwaited || !isFull) this.#source.recordFailed(error);
  }
}

/** What failed was told by `recordFailed`. */
function ignore(): void {}
