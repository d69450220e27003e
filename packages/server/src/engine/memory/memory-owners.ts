import type {
  Held,
  OwnedEntry,
  OwnedKind,
  OwnedParts,
  Owners,
  Subscription,
} from "../../core/ports/engine.ts";
import { ListenerSet } from "./listener-set.ts";
import type { MemoryCluster } from "./memory-cluster.ts";
import type { NodeGate } from "./node-gate.ts";
import { copyPlain } from "./plain-copy.ts";

/** The cluster's owned rows as one node sees them. */
export class MemoryOwners implements Owners {
  readonly #gate: NodeGate;
  readonly #cluster: MemoryCluster;
  readonly #nodeId: string;
  readonly #takeovers = new ListenerSet<[held: Held]>();
  readonly #orphans = new ListenerSet<[kind: OwnedKind, tenant: string, id: string]>();

  constructor(gate: NodeGate, cluster: MemoryCluster, nodeId: string) {
    this.#gate = gate;
    this.#cluster = cluster;
    this.#nodeId = nodeId;
  }

  acquire(kind: OwnedKind, tenant: string, id: string, identity: string): Promise<Held> {
    return this.#gate.call({
      kind: "acquire",
      lane: laneOf(kind),
      run: () => {
        const { held, ended } = this.#cluster.rows.acquire({ kind, tenant, id, identity }, this.#nodeId);
        if (ended !== undefined) this.#cluster.nodes.get(ended.nodeId)?.owners.takenOver(ended.held);
        return held;
      },
    });
  }

  save(held: Held, parts: OwnedParts): Promise<void> {
    const copy = copyParts(parts);
    return this.#gate.call({
      kind: "save",
      lane: laneOf(held.kind),
      run: () => this.#cluster.rows.save(held, copy),
    });
  }

  release(held: Held, forget: boolean): Promise<void> {
    return this.#gate.call({
      kind: "release",
      lane: laneOf(held.kind),
      run: () => {
        const isOrphan = this.#cluster.rows.release(held, forget);
        if (isOrphan) this.#cluster.tellOrphan({ ...held, besides: this.#nodeId });
      },
    });
  }

  async *list(kind: OwnedKind, tenant: string): AsyncIterable<OwnedEntry> {
    const rows = await this.#gate.call({ kind: "list", run: () => this.#cluster.rows.list(kind, tenant) });
    for (const { id, identity, parts } of rows) yield { id, identity, parts: copyParts(parts) };
  }

  onTakeover(callback: (held: Held) => void): Subscription {
    return this.#takeovers.add(callback);
  }

  onOrphan(callback: (kind: OwnedKind, tenant: string, id: string) => void): Subscription {
    return this.#orphans.add(callback);
  }

  takenOver(held: Held): void {
    this.#takeovers.call(held);
  }

  orphaned(kind: OwnedKind, tenant: string, id: string): void {
    this.#orphans.call(kind, tenant, id);
  }

  stop(): void {
    this.#takeovers.clear();
    this.#orphans.clear();
  }
}

function laneOf(kind: OwnedKind): string {
  return `owned ${kind}`;
}

function copyParts(parts: OwnedParts): OwnedParts {
  return {
    ...(parts.meta !== undefined && { meta: copyPlain(parts.meta) }),
    ...(parts.cursor !== undefined && { cursor: copyPlain(parts.cursor) }),
    ...(parts.inFlight !== undefined && { inFlight: copyPlain(parts.inFlight) }),
  };
}
