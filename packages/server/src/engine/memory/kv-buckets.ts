import { EngineError, type KvEntry, type KvEvent, type KvOperation } from "../../core/ports/engine.ts";
import { ListenerSet } from "./listener-set.ts";

/** The entries of one bucket. Every change is told to its watchers at once, in order. */
export class KvBucket {
  readonly entries: Map<string, KvEntry> = new Map();
  readonly watchers: ListenerSet<[event: KvEvent]> = new ListenerSet();
  #revision = 0;

  get revision(): number {
    return this.#revision;
  }

  /** All or nothing; `conflict` where one condition fails. The values are the store's own from now on. */
  change(operations: readonly KvOperation[]): void {
    for (const { key, ifRevision } of operations) this.#check(key, ifRevision);
    for (const operation of operations) this.#apply(operation);
  }

  #check(key: string, ifRevision: number | undefined): void {
    if (ifRevision === undefined) return;
    const revision = this.entries.get(key)?.revision ?? 0;
    if (revision !== ifRevision)
      throw new EngineError("conflict", `the key has revision ${revision}, not ${ifRevision}`);
  }

  #apply(operation: KvOperation): void {
    const { key } = operation;
    if (operation.kind === "delete") {
      if (this.entries.delete(key)) this.watchers.call({ kind: "delete", key });
      return;
    }
    this.#revision += 1;
    const entry: KvEntry = { key, value: operation.value, revision: this.#revision };
    this.entries.set(key, entry);
    this.watchers.call({ kind: "put", entry });
  }
}

export class KvBuckets {
  readonly #buckets = new Map<string, KvBucket>();

  of(name: string): KvBucket {
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      bucket = new KvBucket();
      this.#buckets.set(name, bucket);
    }
    return bucket;
  }
}
