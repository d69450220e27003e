import type { Kv, KvEntry, KvEvent, KvOperation, Plain, Subscription } from "../../core/ports/engine.ts";
import type { KvBucket } from "./kv-buckets.ts";
import type { NodeGate } from "./node-gate.ts";
import { notify } from "./notification.ts";
import { copyPlain } from "./plain-copy.ts";

/** One bucket as one node sees it. Values are copied on their way in and out, as an engine that writes bytes would. */
export class MemoryKv implements Kv {
  readonly #gate: NodeGate;
  readonly #bucket: KvBucket;
  readonly #lane: string;

  constructor(gate: NodeGate, name: string, bucket: KvBucket) {
    this.#gate = gate;
    this.#bucket = bucket;
    this.#lane = `kv ${name}`;
  }

  get(key: string): Promise<KvEntry | undefined> {
    return this.#gate.call({
      kind: "get",
      run: () => {
        const entry = this.#bucket.entries.get(key);
        return entry === undefined ? undefined : copyEntry(entry);
      },
    });
  }

  put(key: string, value: Plain): Promise<number> {
    return this.#put({ kind: "put", key, value: copyPlain(value) });
  }

  create(key: string, value: Plain): Promise<number> {
    return this.cas(key, value, 0);
  }

  cas(key: string, value: Plain, revision: number): Promise<number> {
    return this.#put({ kind: "put", key, value: copyPlain(value), ifRevision: revision });
  }

  delete(key: string): Promise<void> {
    return this.#gate.call({
      kind: "delete",
      lane: this.#lane,
      run: () => this.#bucket.change([{ kind: "delete", key }]),
    });
  }

  atomic(operations: readonly KvOperation[]): Promise<void> {
    const copies = operations.map((operation) =>
      operation.kind === "put" ? { ...operation, value: copyPlain(operation.value) } : { ...operation },
    );
    return this.#gate.call({ kind: "atomic", lane: this.#lane, run: () => this.#bucket.change(copies) });
  }

  watch(prefix: string, callback: (event: KvEvent) => void): Subscription {
    let changes: Subscription | undefined;
    const subscription = this.#gate.subscription(() => changes?.stop());
    const tell = (event: KvEvent): void => {
      if (!subscription.isStopped && isUnder(event, prefix)) notify(callback, copyEvent(event));
    };
    this.#gate.start("watch", () => {
      if (subscription.isStopped) return;
      for (const entry of this.#bucket.entries.values()) tell({ kind: "put", entry });
      tell({ kind: "synced" });
      changes = this.#bucket.watchers.add(tell);
    });
    return subscription;
  }

  async *list(prefix: string): AsyncIterable<KvEntry> {
    const entries = await this.#gate.call({
      kind: "list",
      run: () => [...this.#bucket.entries.values()].filter((entry) => entry.key.startsWith(prefix)),
    });
    for (const entry of entries) yield copyEntry(entry);
  }

  #put(operation: KvOperation & { readonly kind: "put" }): Promise<number> {
    return this.#gate.call({
      kind: "put",
      lane: this.#lane,
      run: () => {
        this.#bucket.change([operation]);
        return this.#bucket.revision;
      },
    });
  }
}

function isUnder(event: KvEvent, prefix: string): boolean {
  if (event.kind === "synced") return true;
  return (event.kind === "put" ? event.entry.key : event.key).startsWith(prefix);
}

function copyEvent(event: KvEvent): KvEvent {
  return event.kind === "put" ? { kind: "put", entry: copyEntry(event.entry) } : event;
}

function copyEntry(entry: KvEntry): KvEntry {
  return { ...entry, value: copyPlain(entry.value) };
}
