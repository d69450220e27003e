import {
  EngineError,
  type Kv,
  type KvEntry,
  type KvEvent,
  type KvOperation,
  type Plain,
  type Subscription,
} from "../../../core/ports/engine.ts";
import type { EngineGate, StoppableSubscription } from "../engine-gate.ts";
import { notify } from "../notification.ts";
import { type ControlStore, encodeWrite, type StoreChange } from "./control-store.ts";
import type { StoreKey } from "./store-key.ts";
import { decodeStoredValue, type StoredValue } from "./stored-value.ts";

type Watcher = (event: KvEvent) => void;

/** The buckets of one store. */
export class EmbeddedBuckets {
  readonly #gate: EngineGate;
  readonly #store: ControlStore;
  readonly #buckets = new Map<string, EmbeddedKv>();

  constructor(gate: EngineGate, store: ControlStore) {
    this.#gate = gate;
    this.#store = store;
  }

  of(name: string): Kv {
    let bucket = this.#buckets.get(name);
    if (bucket === undefined)
      this.#buckets.set(name, (bucket = new EmbeddedKv(this.#gate, this.#store, name)));
    return bucket;
  }
}

/**
 * One bucket. Each call decides at once, by all that was called before; its answer, also "no", comes when what it rests
 * on is durable. A change is told to watchers right before its promise resolves.
 */
class EmbeddedKv implements Kv {
  readonly #gate: EngineGate;
  readonly #store: ControlStore;
  readonly #space: string;
  readonly #watchers = new Set<Watcher>();

  constructor(gate: EngineGate, store: ControlStore, name: string) {
    this.#gate = gate;
    this.#store = store;
    this.#space = `kv ${name}`;
  }

  async get(name: string): Promise<KvEntry | undefined> {
    this.#gate.check();
    const key = this.#key(name);
    const stored = this.#store.peek(key);
    await this.#store.durable([key]);
    return stored === undefined ? undefined : entryOf(stored);
  }

  async put(key: string, value: Plain): Promise<number> {
    return (await this.#change([{ kind: "put", key, value }]))[0]!.revision;
  }

  create(key: string, value: Plain): Promise<number> {
    return this.cas(key, value, 0);
  }

  async cas(key: string, value: Plain, revision: number): Promise<number> {
    return (await this.#change([{ kind: "put", key, value, ifRevision: revision }]))[0]!.revision;
  }

  async delete(key: string): Promise<void> {
    await this.#change([{ kind: "delete", key }]);
  }

  async atomic(operations: readonly KvOperation[]): Promise<void> {
    await this.#change(operations);
  }

  watch(prefix: string, callback: (event: KvEvent) => void): Subscription {
    let missed: KvEvent[] | undefined = [];
    const watcher: Watcher = (event) => {
      if (event.kind === "synced" || !nameOf(event).startsWith(prefix)) return;
      if (missed === undefined) notify(callback, event);
      else missed.push(event);
    };
    const subscription = this.#gate.subscription(() => this.#watchers.delete(watcher));
    if (!this.#gate.isOpen) {
      subscription.stop();
      return subscription;
    }
    const start = async (entries: AsyncGenerator<StoredValue>): Promise<void> => {
      await tellAll(entries, subscription, callback);
      if (!subscription.isStopped) notify(callback, { kind: "synced" });
      for (const event of missed ?? []) if (!subscription.isStopped) notify(callback, event);
      missed = undefined;
    };
    this.#store.atBarrier(() => {
      if (subscription.isStopped) return;
      this.#watchers.add(watcher);
      void start(this.#store.entries(this.#space, prefix));
    });
    return subscription;
  }

  async *list(prefix: string): AsyncIterable<KvEntry> {
    this.#gate.check();
    const entries = await new Promise<AsyncGenerator<StoredValue>>((resolve) => {
      this.#store.atBarrier(() => resolve(this.#store.entries(this.#space, prefix)));
    });
    for await (const stored of entries) yield entryOf(stored);
  }

  async #change(operations: readonly KvOperation[]): Promise<readonly StoreChange[]> {
    this.#gate.check();
    const writes = operations.map((operation) =>
      encodeWrite({
        key: this.#key(operation.key),
        value: operation.kind === "put" ? toStored(operation.value) : undefined,
      }),
    );
    const keys = writes.map((write) => write.key);
    for (const { key, ifRevision } of operations) {
      const revision = this.#store.peek(this.#key(key))?.revision ?? 0;
      if (ifRevision === undefined || ifRevision === revision) continue;
      await this.#store.durable(keys);
      throw new EngineError("conflict", `the key has revision ${revision}, not ${ifRevision}`);
    }
    const there = writes.filter(({ key, bytes }) => bytes !== undefined || this.#isThere(key, writes));
    if (there.length === 0) {
      await this.#store.durable(keys);
      return [];
    }
    const { changes, durable } = this.#store.writeEncoded(there, (done) => this.#tell(done));
    await durable;
    return changes;
  }

  /** What is not there need not be deleted, unless one of the same operations puts it. */
  #isThere(key: StoreKey, writes: readonly { key: StoreKey; bytes: Buffer | undefined }[]): boolean {
    if (this.#store.peek(key) !== undefined) return true;
    return writes.some((write) => write.key.name === key.name && write.bytes !== undefined);
  }

  #tell(changes: readonly StoreChange[]): void {
    if (this.#watchers.size === 0) return;
    for (const { key, bytes } of changes) {
      if (key.space !== this.#space) continue;
      for (const watcher of this.#watchers) watcher(eventOf(key, bytes));
    }
  }

  #key(name: string): StoreKey {
    return { space: this.#space, name };
  }
}

/** Undefined means "deleted" in the store: as a value it is wrapped. */
function toStored(value: Plain): Plain {
  return [value];
}

function entryOf({ name, value, revision }: StoredValue): KvEntry {
  return { key: name, value: (value as readonly Plain[])[0], revision };
}

function eventOf(key: StoreKey, bytes: Buffer | undefined): KvEvent {
  if (bytes === undefined) return { kind: "delete", key: key.name };
  return { kind: "put", entry: entryOf(decodeStoredValue(bytes)!) };
}

function nameOf(event: Exclude<KvEvent, { kind: "synced" }>): string {
  return event.kind === "put" ? event.entry.key : event.key;
}

async function tellAll(
  entries: AsyncGenerator<StoredValue>,
  subscription: StoppableSubscription,
  callback: (event: KvEvent) => void,
): Promise<void> {
  for await (const stored of entries) {
    if (subscription.isStopped) return;
    notify(callback, { kind: "put", entry: entryOf(stored) });
  }
}
