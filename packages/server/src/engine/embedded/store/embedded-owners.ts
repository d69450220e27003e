import {
  EngineError,
  type Held,
  type OwnedEntry,
  type OwnedKind,
  type OwnedParts,
  type Owners,
  type Subscription,
} from "../../../core/ports/engine.ts";
import type { EngineGate } from "../engine-gate.ts";
import { notify } from "../notification.ts";
import type { ControlStore, StoreWrite } from "./control-store.ts";
import { keyText, type StoreKey } from "./store-key.ts";

type PartName = keyof OwnedParts;

interface Hold {
  readonly held: Held;
  readonly identity: string;
}

interface RowKeys {
  readonly identity: StoreKey;
  readonly parts: Readonly<Record<PartName, StoreKey>>;
  readonly all: readonly StoreKey[];
}

/** What is held does not keep its parts: whoever lists everything has read them already. */
class EmbeddedHeld implements Held {
  readonly kind: OwnedKind;
  readonly tenant: string;
  readonly id: string;
  readonly epoch: number;
  readonly created: boolean;
  readonly #read: (held: Held) => OwnedParts;

  constructor({ kind, tenant, id, epoch, created }: Omit<Held, "parts">, read: (held: Held) => OwnedParts) {
    this.kind = kind;
    this.tenant = tenant;
    this.id = id;
    this.epoch = epoch;
    this.created = created;
    this.#read = read;
  }

  get parts(): OwnedParts {
    return this.#read(this);
  }
}

/** Sessions and share groups of the one node there is: rows in the store, holds in memory, where they end with it. */
export class EmbeddedOwners implements Owners {
  readonly #gate: EngineGate;
  readonly #store: ControlStore;
  readonly #holds = new Map<string, Hold>();
  readonly #takeovers = new Set<(held: Held) => void>();
  readonly #isFull: () => boolean;
  readonly #readParts = (held: Held): OwnedParts => this.#partsOf(keysOf(held));

  constructor(options: { gate: EngineGate; store: ControlStore; isFull: () => boolean }) {
    this.#gate = options.gate;
    this.#store = options.store;
    this.#isFull = options.isFull;
  }

  async acquire(kind: OwnedKind, tenant: string, id: string, identity: string): Promise<Held> {
    this.#gate.check();
    const keys = keysOf({ kind, tenant, id });
    const rowKey = keyText(keys.identity);
    const ended = this.#holds.get(rowKey);
    const owner = this.#store.peek(keys.identity)?.value ?? ended?.identity;
    if (owner !== undefined && owner !== identity) {
      await this.#store.durable(keys.all);
      throw new EngineError("foreign", `${kind} ${id} belongs to another identity`);
    }
    const created = this.#store.peek(keys.identity) === undefined;
    if (created && this.#isFull()) throw new EngineError("full", "the disk is full");
    const epoch = this.#store.nextRevision();
    const held = new EmbeddedHeld({ kind, tenant, id, epoch, created }, this.#readParts);
    this.#holds.set(rowKey, { held, identity });
    await this.#store.durable(keys.all);
    if (ended !== undefined) for (const callback of this.#takeovers) notify(callback, ended.held);
    return held;
  }

  async save(held: Held, parts: OwnedParts): Promise<void> {
    this.#gate.check();
    const keys = keysOf(held);
    const hold = this.#holdOf(held, keys) ?? (await this.#fenced(held, keys));
    const writes: StoreWrite[] = [];
    for (const name of partNames)
      if (parts[name] !== undefined) writes.push({ key: keys.parts[name], value: parts[name] });
    if (writes.length === 0) return this.#store.durable(keys.all);
    if (this.#store.peek(keys.identity) === undefined)
      writes.push({ key: keys.identity, value: hold.identity });
    await this.#store.write(writes).durable;
  }

  async release(held: Held, forget: boolean): Promise<void> {
    this.#gate.check();
    const keys = keysOf(held);
    if (!forget && this.#holdOf(held, keys) === undefined) return this.#store.durable(keys.all);
    if (this.#holdOf(held, keys) === undefined) await this.#fenced(held, keys);
    this.#holds.delete(keyText(keys.identity));
    if (!forget) return this.#store.durable(keys.all);
    const there = keys.all.filter((key) => this.#store.peek(key) !== undefined);
    if (there.length === 0) return this.#store.durable(keys.all);
    await this.#store.write(there.map((key) => ({ key, value: undefined }))).durable;
  }

  async *list(kind: OwnedKind, tenant: string): AsyncIterable<OwnedEntry> {
    this.#gate.check();
    const space = spaceOf(kind, tenant);
    const entries = await new Promise<ReturnType<ControlStore["entries"]>>((resolve) => {
      this.#store.atBarrier(() => resolve(this.#store.entries(space, identityMark)));
    });
    for await (const { name, value } of entries) {
      const id = name.slice(identityMark.length);
      const keys = keysOf({ kind, tenant, id });
      const parts = this.#partsOf(keys);
      await this.#store.durable(keys.all);
      if (!isEmpty(parts)) yield { id, identity: value as string, parts };
    }
  }

  onTakeover(callback: (held: Held) => void): Subscription {
    const listener = (held: Held): void => callback(held);
    this.#takeovers.add(listener);
    return { stop: () => void this.#takeovers.delete(listener) };
  }

  /** There is one node: what it does not hold nobody lost. */
  onOrphan(): Subscription {
    return { stop: () => undefined };
  }

  stop(): void {
    this.#takeovers.clear();
    this.#holds.clear();
  }

  #partsOf(keys: RowKeys): OwnedParts {
    const parts: { -readonly [Name in PartName]?: OwnedParts[Name] } = {};
    for (const name of partNames) {
      const value = this.#store.peek(keys.parts[name])?.value;
      if (value !== undefined) parts[name] = value;
    }
    return parts;
  }

  /** Undefined: the hold was lost. */
  #holdOf(held: Held, keys: RowKeys): Hold | undefined {
    const hold = this.#holds.get(keyText(keys.identity));
    return hold?.held.epoch === held.epoch ? hold : undefined;
  }

  /** As late as an answer that was not refused. */
  async #fenced(held: Held, keys: RowKeys): Promise<never> {
    await this.#store.durable(keys.all);
    throw new EngineError("fenced", `the hold on ${held.kind} ${held.id} was lost`);
  }
}

const identityMark = "i";
const partNames: readonly PartName[] = ["meta", "cursor", "inFlight"];

function spaceOf(kind: OwnedKind, tenant: string): string {
  return `owned ${kind} ${tenant}`;
}

function keysOf({ kind, tenant, id }: Pick<Held, "kind" | "tenant" | "id">): RowKeys {
  const space = spaceOf(kind, tenant);
  const identity = { space, name: `${identityMark}${id}` };
  const parts = {
    meta: { space, name: `m${id}` },
    cursor: { space, name: `c${id}` },
    inFlight: { space, name: `f${id}` },
  };
  return { identity, parts, all: [identity, parts.meta, parts.cursor, parts.inFlight] };
}

function isEmpty(parts: OwnedParts): boolean {
  return parts.meta === undefined && parts.cursor === undefined && parts.inFlight === undefined;
}
