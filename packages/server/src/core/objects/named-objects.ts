import type { Clock } from "../ports/clock.ts";
import {
  EngineError,
  type Kv,
  type KvEntry,
  type KvEvent,
  type Plain,
  type Subscription,
} from "../ports/engine.ts";
import type { Logger } from "../ports/telemetry.ts";
import { SortedIds } from "./sorted-ids.ts";

/** What operators keep under a name: a policy, a group, a provider, a tenant, a history. */
export interface NamedObject<T> {
  readonly name: string;
  /** Random and never used again: an object that is made anew under the name inherits nothing (semantics.md §1.16). */
  readonly id: string;
  readonly value: T;
  /** Above every earlier one of the name, also of objects that were deleted. */
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export interface NamedObjectsOptions<T> {
  /** A bucket for nothing else. */
  readonly kv: Kv;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly randomId: () => string;
  readonly encode: (value: T) => Plain;
  /** Throws where the value is not what `encode` makes; the object is then as if it were not there. */
  readonly decode: (value: Plain) => T;
  readonly maxPerTenant: number;
}

/** `before` undefined: new; `after` undefined: deleted. */
export type NamedObjectListener<T> = (
  tenant: string,
  name: string,
  before: NamedObject<T> | undefined,
  after: NamedObject<T> | undefined,
) => void;

const NAME = /^[0-9A-Za-z._-]{1,128}$/;
const PUT_ATTEMPTS = 4;

export function isObjectName(text: string): boolean {
  return NAME.test(text);
}

interface Written {
  readonly key: string;
  readonly version: number;
  readonly seen: () => void;
}

/**
 * The objects of one kind, all of them in memory. The engine's watch alone changes what is known here, so that every
 * node sees the same changes in the same order; what this node writes it has seen when the promise resolves.
 */
export class NamedObjects<T> {
  readonly #options: NamedObjectsOptions<T>;
  readonly #byKey = new Map<string, NamedObject<T>>();
  readonly #names = new Map<string, SortedIds>();
  readonly #listeners: NamedObjectListener<T>[] = [];
  /** What was written and has not come back by the watch. */
  readonly #written = new Set<Written>();
  #lastWrite: Promise<unknown> = Promise.resolve();
  #watching: Subscription | undefined;

  constructor(options: NamedObjectsOptions<T>) {
    this.#options = options;
  }

  /** Resolves when all stored objects are known. */
  open(): Promise<void> {
    return new Promise((resolve) => {
      this.#watching = this.#options.kv.watch("", (event) => {
        if (event.kind === "synced") resolve();
        else this.#heard(event);
      });
    });
  }

  close(): void {
    this.#watching?.stop();
    for (const { seen } of this.#written) seen();
  }

  /** Called for each change from now on, in order, once it is durable. */
  onChange(listener: NamedObjectListener<T>): void {
    this.#listeners.push(listener);
  }

  get(tenant: string, name: string): NamedObject<T> | undefined {
    return this.#byKey.get(keyOf(tenant, name));
  }

  /** By name, at most `limit`, those after the name `after`. */
  list(tenant: string, after: string | undefined, limit: number): readonly NamedObject<T>[] {
    const page: NamedObject<T>[] = [];
    for (const name of this.#names.get(tenant)?.after(after) ?? []) {
      if (page.length === limit) break;
      page.push(this.get(tenant, name) as NamedObject<T>);
    }
    return page;
  }

  *all(): Generator<{ readonly tenant: string; readonly object: NamedObject<T> }> {
    for (const [key, object] of this.#byKey) yield { tenant: tenantOf(key), object };
  }

  /**
   * Makes or replaces an object.
   *
   * @param ifVersion the version that it must have now; 0: it must not exist; undefined: whatever it is
   * @throws {EngineError} `conflict` where it has another version, `full` where the tenant has as many as it may
   * @throws {RangeError} where the name is none
   */
  put(
    tenant: string,
    name: string,
    value: T,
    ifVersion?: number,
  ): Promise<{ readonly object: NamedObject<T>; readonly isNew: boolean }> {
    if (!isObjectName(name)) throw new RangeError(`${JSON.stringify(name)} is no name`);
    return this.#inTurn(() => this.#put(tenant, name, value, ifVersion));
  }

  /**
   * @returns whether there was one
   * @throws {EngineError} `conflict` where it has another version
   */
  delete(tenant: string, name: string, ifVersion?: number): Promise<boolean> {
    return this.#inTurn(() => this.#delete(keyOf(tenant, name), ifVersion));
  }

  /** All of a tenant, one after the other. Rejects with EngineError. */
  async deleteAll(tenant: string): Promise<void> {
    for (const { name } of this.list(tenant, undefined, Infinity)) await this.delete(tenant, name);
  }

  async #put(
    tenant: string,
    name: string,
    value: T,
    ifVersion: number | undefined,
  ): Promise<{ object: NamedObject<T>; isNew: boolean }> {
    const key = keyOf(tenant, name);
    for (let attempt = 1; ; attempt++) {
      const entry = await this.#options.kv.get(key);
      const before = entry && this.#decoded(entry);
      requireVersion(before, ifVersion);
      if (!entry) this.#requireRoom(tenant);
      const object = this.#successor(name, before, value);
      try {
        await this.#writeAndSee(
          key,
          object.version,
          this.#options.kv.cas(key, this.#encoded(object), entry?.revision ?? 0),
        );
        return { object, isNew: before === undefined };
      } catch (error) {
        if (!isConflict(error) || attempt === PUT_ATTEMPTS) throw error;
      }
    }
  }

  async #delete(key: string, ifVersion: number | undefined): Promise<boolean> {
    const { kv } = this.#options;
    const entry = await kv.get(key);
    const before = entry && this.#decoded(entry);
    requireVersion(before, ifVersion);
    if (!entry) return false;
    const operation = { kind: "delete", key, ifRevision: entry.revision } as const;
    await this.#writeAndSee(key, (before?.version ?? 0) + 1, kv.atomic([operation]));
    return true;
  }

  #successor(name: string, before: NamedObject<T> | undefined, value: T): NamedObject<T> {
    const nowMs = Math.floor(this.#options.clock.nowMs());
    return {
      name,
      id: before?.id ?? this.#options.randomId(),
      value,
      // By the time, so that a deleted object's successor does not repeat versions that somebody still holds.
      version: Math.max(nowMs, (before?.version ?? 0) + 1),
      createdAtMs: before?.createdAtMs ?? nowMs,
      updatedAtMs: nowMs,
    };
  }

  /** One write after the other, so that the bound holds and a conflict means another node. */
  #inTurn<R>(write: () => Promise<R>): Promise<R> {
    const turn = this.#lastWrite.then(write, write);
    this.#lastWrite = turn.catch(() => {});
    return turn;
  }

  async #writeAndSee(key: string, version: number, write: Promise<unknown>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const written: Written = { key, version, seen: resolve };
    this.#written.add(written);
    try {
      await write;
      await promise;
    } finally {
      this.#written.delete(written);
    }
  }

  #requireRoom(tenant: string): void {
    const { maxPerTenant } = this.#options;
    if ((this.#names.get(tenant)?.count ?? 0) < maxPerTenant) return;
    throw new EngineError(
      "full",
      `the tenant has ${maxPerTenant} already, which is the most; delete one first`,
    );
  }

  #heard(event: Exclude<KvEvent, { kind: "synced" }>): void {
    const key = event.kind === "put" ? event.entry.key : event.key;
    const after = event.kind === "put" ? this.#decoded(event.entry) : undefined;
    const before = this.#byKey.get(key);
    if (before !== after) this.#learn(key, before, after);
    for (const written of this.#written) {
      if (written.key === key && (!after || after.version >= written.version)) written.seen();
    }
  }

  #learn(key: string, before: NamedObject<T> | undefined, after: NamedObject<T> | undefined): void {
    const tenant = tenantOf(key);
    const name = key.slice(tenant.length + 1);
    if (after) this.#byKey.set(key, after);
    else this.#byKey.delete(key);
    this.#index(tenant, name, after !== undefined);
    for (const listener of this.#listeners) listener(tenant, name, before, after);
  }

  #index(tenant: string, name: string, isThere: boolean): void {
    const names = this.#names.get(tenant) ?? new SortedIds();
    if (isThere) names.add(name);
    else names.remove(name);
    if (names.count > 0) this.#names.set(tenant, names);
    else this.#names.delete(tenant);
  }

  #encoded(object: NamedObject<T>): Plain {
    const { id, value, version, createdAtMs, updatedAtMs } = object;
    return { id, value: this.#options.encode(value), version, createdAtMs, updatedAtMs };
  }

  #decoded({ key, value }: KvEntry): NamedObject<T> | undefined {
    const name = key.slice(tenantOf(key).length + 1);
    try {
      const stored = value as unknown as Omit<NamedObject<Plain>, "name">;
      const { id, version, createdAtMs, updatedAtMs } = stored;
      return { name, id, value: this.#options.decode(stored.value), version, createdAtMs, updatedAtMs };
    } catch (error) {
      const text = "a stored object cannot be read; it counts as absent until it is put again";
      this.#options.logger.error({ tenant: tenantOf(key), name, error: String(error) }, text);
      return undefined;
    }
  }
}

/** No name of a tenant or an object holds a slash. */
function keyOf(tenant: string, name: string): string {
  return `${tenant}/${name}`;
}

function tenantOf(key: string): string {
  return key.slice(0, key.indexOf("/"));
}

function requireVersion(before: NamedObject<unknown> | undefined, ifVersion: number | undefined): void {
  if (ifVersion === undefined || ifVersion === (before?.version ?? 0)) return;
  throw new EngineError("conflict", "it has another version by now; read it again");
}

function isConflict(error: unknown): boolean {
  return error instanceof EngineError && error.code === "conflict";
}
