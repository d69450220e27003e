import type { MessageProperties, Qos } from "@weir/protocol";

/** The number of a record in one shard: a safe integer, rising, gaps allowed, the first is above 0. */
export type Seq = number;

/** How far a reader has come: one number a shard, 0 (or absent) is before the first record. */
export type Position = Readonly<Record<number, Seq>>;

export type EngineErrorCode =
  | "unavailable"
  | "timeout"
  | "overloaded"
  | "full"
  | "conflict"
  | "foreign"
  | "fenced"
  | "trimmed"
  | "too-large"
  | "closed";

export class EngineError extends Error {
  readonly code: EngineErrorCode;
  /** True: the outcome is unknown. Retry with the same id, look it up, or give no answer. */
  readonly maybeApplied: boolean;

  constructor(code: EngineErrorCode, message: string, maybeApplied = false) {
    super(message);
    this.name = "EngineError";
    this.code = code;
    this.maybeApplied = maybeApplied;
  }
}

/** Data that every engine can store as it is: no functions, no class instances, no cycles. */
export type Plain =
  | string
  | number
  | boolean
  | null
  | undefined
  | Uint8Array
  | readonly Plain[]
  | { readonly [key: string]: Plain };

/** What the log keeps of a message, with all that recovery needs (semantics.md §2.2). */
export interface LogRecord {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: MessageProperties | undefined;
  /** Milliseconds since the epoch. */
  readonly publishedAtMs: number;
  /** Milliseconds since the epoch; Infinity: never. */
  readonly expiresAtMs: number;
  readonly publisher: {
    readonly sessionKey: string;
    readonly realm: string;
    readonly subject: string;
    readonly clientId: string;
  };
  /** QoS 2 only: the packet id, and the incarnation of the publisher's session that used it. */
  readonly inbound: { readonly incarnation: string; readonly packetId: number } | undefined;
}

export interface StoredRecord {
  readonly shard: number;
  readonly seq: Seq;
  readonly record: LogRecord;
}

export interface AppendResult {
  readonly shard: number;
  readonly seq: Seq;
  /** The id was appended before; `shard` and `seq` are those of then. */
  readonly duplicate: boolean;
}

export interface ReadOptions {
  /** Only records whose topic matches one of these filters; all where absent. */
  readonly filters?: readonly string[];
  /** Up to and including these numbers. */
  readonly to?: Position;
  readonly limit?: number;
  readonly signal?: { readonly aborted: boolean };
}

export interface Subscription {
  /** No callback comes after this returns. */
  stop(): void;
}

/**
 * Durable, ordered, sharded by topic. The order of `append` calls per shard is the order of the numbers, also over
 * retries. No promise resolves in the tick of its call.
 */
export interface Log {
  readonly durability: "none" | "fsync" | "quorum-fsync" | "quorum-memory";
  readonly shards: number;
  shardOf(tenant: string, topic: string): number;
  /**
   * Resolves when the record is durable (as `durability` says); only then do `tail`, `read` and `fetch` show it. When it
   * resolves, every tail of this node that had caught up has been called with the record. The payload is copied before
   * the call returns. An id makes retries safe: the same id within the engine's de-duplication time appends once.
   * Rejects with EngineError (`full`, `overloaded`, `too-large`, …); `maybeApplied` tells whether it may still appear.
   */
  append(tenant: string, record: LogRecord, id?: string): Promise<AppendResult>;
  /** What became of an append whose outcome is unknown: its place, or undefined if it surely will never appear. */
  lookup(tenant: string, id: string): Promise<AppendResult | undefined>;
  /** Registers (1) or withdraws (-1) a durable interest; every appender honours it once the promise resolves. */
  interest(tenant: string, filter: string, change: 1 | -1): Promise<void>;
  /** Every record after the position, in order per shard, then each new one once it is durable. Never in the tick of the call. */
  tail(tenant: string, after: Position, callback: (stored: StoredRecord) => void): Subscription;
  /** What is there now, in order per shard. Records that were released may be missing. */
  read(tenant: string, after: Position, options?: ReadOptions): AsyncIterable<readonly StoredRecord[]>;
  /** By number, in the order asked for; a record that is gone is left out. */
  fetch(tenant: string, shard: number, seqs: readonly Seq[]): Promise<readonly StoredRecord[]>;
  /** Below `before` only what `keep` names is needed any longer; the rest may go, at once or later. */
  release(tenant: string, shard: number, before: Seq, keep: (seq: Seq) => boolean): void;
  /**
   * Removes all of a tenant that is gone; call nothing else for it until this resolves. From then on it is as if it had
   * never been, also after a crash.
   */
  forget(tenant: string): Promise<void>;
  /** `head`: the last number given to an append (durable or not yet); `first`: the lowest that may still be there; bytes held. */
  bounds(tenant: string, shard: number): { readonly first: Seq; readonly head: Seq; readonly bytes: number };
}

export interface KvEntry {
  readonly key: string;
  readonly value: Plain;
  /** Changes with each write of the key; opaque but for equality. */
  readonly revision: number;
}

export type KvOperation =
  | { readonly kind: "put"; readonly key: string; readonly value: Plain; readonly ifRevision?: number }
  | { readonly kind: "delete"; readonly key: string; readonly ifRevision?: number };

export type KvEvent =
  | { readonly kind: "put"; readonly entry: KvEntry }
  | { readonly kind: "delete"; readonly key: string }
  | { readonly kind: "synced" };

/**
 * Control data and views. Keys of any length. A promise resolves when the change is as durable as the log's records.
 * `ifRevision` 0 means "must not exist"; a mismatch rejects with `conflict` and changes nothing.
 */
export interface Kv {
  get(key: string): Promise<KvEntry | undefined>;
  /** Returns the new revision. */
  put(key: string, value: Plain): Promise<number>;
  /** `conflict` if the key exists. */
  create(key: string, value: Plain): Promise<number>;
  /** `conflict` unless the key has that revision. */
  cas(key: string, value: Plain, revision: number): Promise<number>;
  delete(key: string): Promise<void>;
  /** All or nothing. */
  atomic(operations: readonly KvOperation[]): Promise<void>;
  /** All current entries, then `synced`, then changes in order. */
  watch(prefix: string, callback: (event: KvEvent) => void): Subscription;
  list(prefix: string): AsyncIterable<KvEntry>;
}

export type OwnedKind = "session" | "share-group";

/** A session record or share group that this node serves. */
export interface Held {
  readonly kind: OwnedKind;
  readonly tenant: string;
  readonly id: string;
  readonly epoch: number;
  /** True: nothing was stored under this id (a hold in which nothing was saved leaves nothing behind). */
  readonly created: boolean;
  /** The parts as they are saved when this is first asked for: ask at once, or not at all, since it may be a look at the disk. */
  readonly parts: OwnedParts;
}

/** Written apart, since they change at different rates. */
export interface OwnedParts {
  readonly meta?: Plain;
  readonly cursor?: Plain;
  readonly inFlight?: Plain;
}

export interface OwnedEntry {
  readonly id: string;
  readonly identity: string;
  readonly parts: OwnedParts;
}

/** Which node serves a session or a share group. */
export interface Owners {
  /** Rejects with `foreign` if another identity owns the id, with `full` where it is not there and there is no room. Ends the hold of whoever had it (`onTakeover` there, `fenced` for its saves). */
  acquire(kind: OwnedKind, tenant: string, id: string, identity: string): Promise<Held>;
  /** Replaces the parts given, all or nothing; a part that is undefined stays as it is. Resolves when durable; the order of calls holds. `fenced` when the hold was lost. */
  save(held: Held, parts: OwnedParts): Promise<void>;
  /** Gives the hold up, and with `forget` the stored parts too. Of a hold that was lost: nothing, or `fenced` with `forget`. */
  release(held: Held, forget: boolean): Promise<void>;
  /** Everything that is stored, for recovery. */
  list(kind: OwnedKind, tenant: string): AsyncIterable<OwnedEntry>;
  onTakeover(callback: (held: Held) => void): Subscription;
  /** What no living node holds any longer. */
  onOrphan(callback: (kind: OwnedKind, tenant: string, id: string) => void): Subscription;
}

export interface BusPacket {
  readonly tenant: string;
  readonly topic: string;
  readonly body: Plain;
  readonly fromNode: string;
}

/** Node to node, at most once, in order per publishing node and topic, one copy a node, none to the sender. */
export interface Bus {
  publish(tenant: string, topic: string, body: Plain): void;
  /** What this node wants to hear of. Resolves when the others honour it. */
  interest(tenant: string, add: readonly string[], remove: readonly string[]): Promise<void>;
  onPacket(callback: (packet: BusPacket) => void): Subscription;
  /** The members of a named group of nodes, now and at each change. */
  joinGroup(name: string, onMembers: (nodeIds: readonly string[]) => void): Subscription;
  request(nodeId: string, verb: string, body: Plain, timeoutMs: number): Promise<Plain>;
  serve(verb: string, handler: (body: Plain, fromNode: string) => Promise<Plain>): Subscription;
}

export interface EngineHealth {
  readonly ok: boolean;
  /** What is wrong or still recovers, in words; empty when all is well. */
  readonly problems: readonly string[];
  /** There is room only for what makes room (semantics.md §2.12): `append` and `acquire` of what is not there refuse with `full`. */
  readonly isFull: boolean;
}

/** Where durable state lives and how nodes find each other. One contract suite for all: `engine/engine-contract.ts`. */
export interface Engine {
  readonly kind: "memory" | "embedded" | "nats";
  readonly nodeId: string;
  /** Of the durable data: another one where numbers of records may be given again, as after a backup was restored. */
  readonly epoch: string;
  readonly log: Log;
  readonly owners: Owners;
  readonly bus: Bus;
  kv(bucket: string): Kv;
  health(): EngineHealth;
  onHealth(callback: (health: EngineHealth) => void): Subscription;
  /** Resolves when everything handed over is durable, or that many milliseconds have passed. */
  drain(deadlineMs: number): Promise<void>;
  close(): Promise<void>;
}
