import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { RootDatabase } from "lmdb";
import type { Clock } from "../../../core/ports/clock.ts";
import { EngineError, type Plain } from "../../../core/ports/engine.ts";
import { flushPath } from "../disk/node-files.ts";
import { openDatabase } from "./control-database.ts";
import { keyBytes, keyRanges, keyText, type StoreKey } from "./store-key.ts";
import { decodeStoredValue, encodeStoredValue, sealStoredValue, type StoredValue } from "./stored-value.ts";

/** One change; `value` undefined deletes. */
export interface StoreWrite {
  readonly key: StoreKey;
  readonly value: Plain | undefined;
}

/** A change that has its revision. */
export interface StoreChange {
  readonly key: StoreKey;
  readonly revision: number;
  /** See `decodeStoredValue`; undefined: deleted. */
  readonly bytes: Buffer | undefined;
}

/** What was written, and when it is durable. */
export interface Written {
  readonly changes: readonly StoreChange[];
  /** Rejects with EngineError. */
  readonly durable: Promise<void>;
}

export interface ControlStoreOptions {
  readonly directory: string;
  readonly clock: Clock;
  /** A flush that takes longer has failed: LMDB says nothing of a failed one. */
  readonly flushTimeoutMs: number;
  onDamage(key: StoreKey, bytes: Buffer): void;
  onFatal(error: Error): void;
  /** A commit found no room. */
  onFull(): void;
}

interface WriteGroup {
  readonly changes: readonly StoreChange[];
  readonly onDurable: () => void;
  readonly onFailed: (error: EngineError) => void;
}

/** What is written and not yet durable: it is the truth for whoever decides, and answers wait for it. */
interface Unflushed {
  readonly bytes: Buffer | undefined;
  readonly durable: Promise<void>;
}

/** Revisions are taken from stretches that are noted before use: none is given twice, whatever happens. */
const revisionStretch = 65_536;
const ceilingKey: StoreKey = { space: "store", name: "revisions given up to" };
/** Entries that one turn of the event loop reads. */
const pageEntries = 256;

/**
 * Small durable things in LMDB. One process has the store, so each call decides at once by what has been written before
 * it; the answer comes when that is durable. Writes gather while a commit is on its way, as in the log.
 */
export class ControlStore {
  readonly #options: ControlStoreOptions;
  readonly #db: RootDatabase<Buffer, Uint8Array>;
  readonly #unflushed = new Map<string, Unflushed>();
  readonly #barriers: (() => void)[] = [];
  #groups: WriteGroup[] = [];
  #isCommitting = false;
  #isStopped = false;
  #revision: number;
  #ceiling: number;
  #onIdle: (() => void)[] = [];
  #committing: Promise<void> = Promise.resolve();

  constructor(options: ControlStoreOptions) {
    this.#options = options;
    this.#db = openDatabase(options.directory);
    this.#ceiling = this.#noted();
    this.#revision = this.#ceiling;
  }

  /** A number above all that were given before, also by earlier processes, once `durable([])` has resolved. */
  nextRevision(): number {
    this.#revision += 1;
    if (this.#revision > this.#ceiling) this.write([]);
    return this.#revision;
  }

  /** As of all writes until now. */
  peek(key: StoreKey): StoredValue | undefined {
    const unflushed = this.#unflushed.get(keyText(key));
    if (unflushed === undefined) return this.#read(key);
    return unflushed.bytes === undefined ? undefined : this.#decode(key, unflushed.bytes);
  }

  /** Resolves when what `peek` tells of the keys is durable. Rejects with EngineError. */
  async durable(keys: readonly StoreKey[]): Promise<void> {
    const waits: Promise<void>[] = [];
    for (const key of [ceilingKey, ...keys]) {
      const unflushed = this.#unflushed.get(keyText(key));
      if (unflushed !== undefined) waits.push(unflushed.durable);
    }
    await Promise.all(waits);
  }

  /**
   * All or nothing, in the order of the calls. `onDurable` is called before the promise resolves. Throws TypeError for
   * what is no plain data.
   */
  write(writes: readonly StoreWrite[], onDurable?: (changes: readonly StoreChange[]) => void): Written {
    return this.writeEncoded(writes.map(encodeWrite), onDurable);
  }

  /** The same for what `encodeWrite` made. */
  writeEncoded(
    writes: readonly EncodedWrite[],
    onDurable?: (changes: readonly StoreChange[]) => void,
  ): Written {
    const changes = writes.map((write) => this.#change(write));
    if (this.#revision > this.#ceiling) changes.push(this.#raiseCeiling());
    const durable = new Promise<void>((resolve, reject) => {
      const done = (): void => {
        for (const change of changes) this.#flushed(change, durable);
        onDurable?.(changes);
        resolve();
      };
      this.#groups.push({ changes, onDurable: done, onFailed: reject });
    });
    durable.catch(() => undefined);
    for (const { key, bytes } of changes) this.#unflushed.set(keyText(key), { bytes, durable });
    this.#commitSoon();
    return { changes, durable };
  }

  /**
   * Calls back in an instant in which everything written so far is durable and told, and nothing later is: what
   * `entries` reads then, and what is told from then on, fit together.
   */
  atBarrier(run: () => void): void {
    this.#barriers.push(run);
    this.#commitSoon();
  }

  /** What is under the names of a space that begin with `prefix`, as of the call, in pages. */
  entries(space: string, prefix: string): AsyncGenerator<StoredValue> {
    this.#db.resetReadTxn();
    return this.#entries(space, prefix, this.#db.useReadTransaction());
  }

  /** Resolves when everything written is durable. */
  async idle(): Promise<void> {
    if (!this.#isCommitting && this.#groups.length === 0 && this.#barriers.length === 0) return;
    await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  async close(): Promise<void> {
    await this.idle();
    await this.#db.close();
  }

  /** Nothing settles any more. */
  async abandon(): Promise<void> {
    this.#isStopped = true;
    this.#groups = [];
    await this.#committing.catch(() => undefined);
    await this.#db.close();
  }

  /** A consistent copy, while the store is in use. */
  async copyTo(directory: string): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await this.#db.backup(directory, false);
    await chmod(join(directory, "data.mdb"), 0o600);
    await flushPath(join(directory, "data.mdb"));
  }

  async *#entries(
    space: string,
    prefix: string,
    transaction: ReturnType<RootDatabase["useReadTransaction"]>,
  ): AsyncGenerator<StoredValue> {
    try {
      for (const range of keyRanges(space, prefix)) {
        let page = this.#page({ ...range, transaction });
        while (page.length > 0) {
          for (const { value } of page) {
            const stored = this.#decode({ space, name: "" }, value);
            if (stored?.name.startsWith(prefix)) yield stored;
          }
          if (page.length < pageEntries) break;
          await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
          const start = Buffer.concat([page.at(-1)!.key, Buffer.of(0)]);
          page = this.#page({ start, end: range.end, transaction });
        }
      }
    } finally {
      transaction.done();
    }
  }

  #page(range: object): { key: Uint8Array; value: Buffer }[] {
    return [...this.#db.getRange({ ...range, limit: pageEntries })];
  }

  #read(key: StoreKey): StoredValue | undefined {
    const bytes = this.#db.get(keyBytes(key));
    return bytes === undefined ? undefined : this.#decode(key, bytes);
  }

  #decode(key: StoreKey, bytes: Buffer): StoredValue | undefined {
    const stored = decodeStoredValue(bytes);
    if (stored === undefined) this.#options.onDamage(key, bytes);
    return stored;
  }

  #change({ key, bytes }: EncodedWrite): StoreChange {
    this.#revision += 1;
    if (bytes !== undefined) sealStoredValue(bytes, this.#revision);
    return { key, revision: this.#revision, bytes };
  }

  #raiseCeiling(): StoreChange {
    this.#ceiling = this.#revision + revisionStretch;
    return this.#change(encodeWrite({ key: ceilingKey, value: this.#ceiling }));
  }

  /** How far revisions may have been given, as the disk says. */
  #noted(): number {
    return (this.#read(ceilingKey)?.value as number | undefined) ?? 0;
  }

  #flushed({ key }: StoreChange, durable: Promise<void>): void {
    const text = keyText(key);
    if (this.#unflushed.get(text)?.durable === durable) this.#unflushed.delete(text);
  }

  #commitSoon(): void {
    if (this.#isCommitting || this.#isStopped) return;
    this.#isCommitting = true;
    queueMicrotask(() => this.#commitNext());
  }

  #commitNext(): void {
    for (const barrier of this.#barriers.splice(0)) barrier();
    const groups = this.#groups;
    this.#groups = [];
    if (groups.length === 0 || this.#isStopped) return this.#rest();
    this.#committing = this.#commit(groups);
    this.#committing.then(
      () => this.#committed(groups),
      (error: Error) => this.#failed(groups, error),
    );
  }

  #rest(): void {
    this.#isCommitting = false;
    const waiting = this.#onIdle;
    this.#onIdle = [];
    for (const resolve of waiting) resolve();
  }

  async #commit(groups: readonly WriteGroup[]): Promise<void> {
    const committed = this.#db.batch(() => {
      for (const { changes } of groups) for (const change of changes) this.#put(change);
    });
    await this.#within(reasoned(committed));
    await this.#within(this.#db.flushed);
  }

  #put({ key, bytes }: StoreChange): void {
    const written: Promise<unknown> =
      bytes === undefined ? this.#db.remove(keyBytes(key)) : this.#db.put(keyBytes(key), bytes);
    written.catch(() => undefined);
  }

  /** Every wait has a deadline: a flush that failed never settles. */
  async #within<T>(work: PromiseLike<T>): Promise<T> {
    const { clock, flushTimeoutMs } = this.#options;
    return new Promise<T>((resolve, reject) => {
      const timer = clock.after(flushTimeoutMs, () =>
        reject(new Error(`no answer from the store within ${flushTimeoutMs} ms`)),
      );
      Promise.resolve(work)
        .finally(() => timer.cancel())
        .then(resolve, reject);
    });
  }

  #committed(groups: readonly WriteGroup[]): void {
    if (this.#isStopped) return this.#rest();
    for (const group of groups) group.onDurable();
    this.#commitNext();
  }

  /** A commit that found no room has changed nothing, and what was decided on its ground falls with it. All else is final. */
  #failed(groups: readonly WriteGroup[], cause: Error): void {
    const lost = [...groups, ...this.#groups.splice(0)];
    const isNoRoom = /no space left|ENOSPC|MAP_FULL/i.test(cause.message);
    this.#isStopped = !isNoRoom;
    this.#unflushed.clear();
    const error = isNoRoom
      ? new EngineError("full", "the disk is full")
      : new EngineError("unavailable", `the store could not be written: ${cause.message}`, true);
    for (const group of lost) group.onFailed(error);
    this.#ceiling = this.#noted();
    if (isNoRoom) {
      this.#options.onFull();
      return this.#commitNext();
    }
    this.#rest();
    this.#options.onFatal(cause);
  }
}

export interface EncodedWrite {
  readonly key: StoreKey;
  readonly bytes: Buffer | undefined;
}

/** Takes the value as it is now. Throws TypeError for what is no plain data. */
export function encodeWrite({ key, value }: StoreWrite): EncodedWrite {
  return { key, bytes: value === undefined ? undefined : encodeStoredValue(key.name, value) };
}

/** A commit that fails says why in a promise inside of its error. */
async function reasoned(commit: Promise<unknown>): Promise<void> {
  try {
    await commit;
  } catch (error) {
    const reason = error instanceof Error && "commitError" in error ? error.commitError : undefined;
    throw (await Promise.resolve(reason).catch((cause: unknown) => cause)) ?? error;
  }
}
