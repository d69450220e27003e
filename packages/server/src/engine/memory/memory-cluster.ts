import { randomUUID } from "node:crypto";
import type { Clock } from "../../core/ports/clock.ts";
import type { OwnedKind } from "../../core/ports/engine.ts";
import type { MemoryBus } from "./memory-bus.ts";
import type { MemoryOwners } from "./memory-owners.ts";
import type { OperationQueue } from "./operation-queue.ts";
import { KvBuckets } from "./kv-buckets.ts";
import { OwnedRows } from "./owned-rows.ts";
import { TenantLogs } from "./tenant-logs.ts";

export interface MemoryClusterOptions {
  readonly clock: Clock;
  /** All logs together; beyond it the oldest records are evicted. 512 MiB unless given. */
  readonly maxBytes?: number;
  /** One unless given. */
  readonly shards?: number;
  /** How long the id of an append is remembered at least: 2 minutes unless given. */
  readonly dedupMs?: number;
  /** How many ids a shard remembers at most, whatever `dedupMs` says: 200,000 unless given. */
  readonly maxIds?: number;
}

/** A node as the others see it. */
export interface MemoryNode {
  readonly nodeId: string;
  readonly queue: OperationQueue;
  readonly bus: MemoryBus;
  readonly owners: MemoryOwners;
}

/** What is stored, and the nodes that share it. Engines opened on one cluster see each other as nodes of a real one do. */
export class MemoryCluster {
  readonly clock: Clock;
  /** Nothing outlives the cluster: the next one's numbers are others. */
  readonly epoch: string = randomUUID();
  readonly logs: TenantLogs;
  readonly buckets: KvBuckets = new KvBuckets();
  readonly rows: OwnedRows = new OwnedRows();
  readonly nodes: Map<string, MemoryNode> = new Map();
  #nodesSeen = 0;

  constructor(options: MemoryClusterOptions) {
    this.clock = options.clock;
    this.logs = new TenantLogs(
      {
        shards: options.shards ?? 1,
        maxBytes: options.maxBytes ?? 512 * 1_048_576,
        dedupMs: options.dedupMs ?? 120_000,
        maxIds: options.maxIds ?? 200_000,
      },
      options.clock,
    );
  }

  /** Never given twice. */
  nextNodeId(): string {
    this.#nodesSeen += 1;
    return `memory-${this.#nodesSeen}`;
  }

  join(node: MemoryNode): void {
    this.nodes.set(node.nodeId, node);
    this.membersChanged();
  }

  /** Holds of the node end; the others hear of what nobody holds now. */
  leave(node: MemoryNode): void {
    if (!this.nodes.delete(node.nodeId)) return;
    for (const row of this.rows.endHolds(node.nodeId)) this.tellOrphan({ ...row, besides: node.nodeId });
    this.membersChanged();
  }

  tellOrphan(orphan: { kind: OwnedKind; tenant: string; id: string; besides: string }): void {
    for (const node of this.nodes.values()) {
      if (node.nodeId !== orphan.besides) node.owners.orphaned(orphan.kind, orphan.tenant, orphan.id);
    }
  }

  membersChanged(): void {
    for (const node of this.nodes.values()) node.bus.membersChanged();
  }

  /** After one node's burst or end: another may have waited for its appends. */
  wake(): void {
    for (const node of this.nodes.values()) node.queue.schedule();
  }
}
