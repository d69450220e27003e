import type { Engine, EngineHealth, Kv, Subscription } from "../../core/ports/engine.ts";
import { AppendOperation } from "./append-operation.ts";
import { ListenerSet } from "./listener-set.ts";
import { MemoryBus } from "./memory-bus.ts";
import { MemoryCluster, type MemoryClusterOptions } from "./memory-cluster.ts";
import { MemoryHooks } from "./memory-hooks.ts";
import { MemoryKv } from "./memory-kv.ts";
import { MemoryLog } from "./memory-log.ts";
import { MemoryOwners } from "./memory-owners.ts";
import { NodeGate } from "./node-gate.ts";
import { OperationQueue, type Operation } from "./operation-queue.ts";

export interface CrashOptions {
  /**
   * Without it everything that had not settled is lost. With it some of that was applied all the same: of each lane (a
   * shard of a log, a bucket, a kind of owned records) a prefix, chosen by this number.
   */
  readonly seed?: number;
}

/**
 * The whole engine port in the memory of one process: nothing outlives it. Calls are applied in their order, a burst in
 * one microtask. For tests it is also a cluster (open several on one `MemoryCluster`) and a machine that crashes on
 * demand (`hooks`).
 *
 * @example
 * const engine = openMemoryEngine({ clock });
 * await engine.kv("tokens").put("t1", { enabled: true });
 * await engine.close();
 */
export class MemoryEngine implements Engine {
  readonly kind = "memory";
  readonly nodeId: string;
  readonly epoch: string;
  readonly log: MemoryLog;
  readonly owners: MemoryOwners;
  readonly bus: MemoryBus;
  readonly hooks: MemoryHooks;
  readonly queue: OperationQueue;
  readonly #cluster: MemoryCluster;
  readonly #gate: NodeGate;
  readonly #health = new ListenerSet<[health: EngineHealth]>();
  #problems: readonly string[] = [];
  #closed: Promise<void> | undefined;

  constructor(cluster: MemoryCluster) {
    this.nodeId = cluster.nextNodeId();
    this.epoch = cluster.epoch;
    this.queue = new OperationQueue(() => cluster.nodes.size > 1 && cluster.wake());
    this.#cluster = cluster;
    this.#gate = new NodeGate(this.queue);
    this.log = new MemoryLog(this.#gate, cluster.logs);
    this.owners = new MemoryOwners(this.#gate, cluster, this.nodeId);
    this.bus = new MemoryBus(this.#gate, cluster, this.nodeId);
    this.hooks = new MemoryHooks(this, this.queue, (problems) => this.#setProblems(problems));
    cluster.join(this);
  }

  kv(bucket: string): Kv {
    return new MemoryKv(this.#gate, bucket, this.#cluster.buckets.of(bucket));
  }

  health(): EngineHealth {
    const problems = this.#closed === undefined ? this.#problems : ["the engine is closed"];
    return { ok: problems.length === 0, problems, isFull: false };
  }

  onHealth(callback: (health: EngineHealth) => void): Subscription {
    return this.#health.add(callback);
  }

  /** `deadlineMs` is how long it waits at most. */
  drain(deadlineMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const settle = (): void => {
      timer.cancel();
      if (!this.queue.isDead) resolve();
    };
    const timer = this.#cluster.clock.after(deadlineMs, settle);
    this.queue.call({ kind: "drain", run: () => {} }).then(settle, settle);
    return promise;
  }

  /** What was called before is still done (also what `hooks.hold` holds); later calls are refused with `closed`. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** The node is gone: it settles nothing and calls nobody any more. Returns a new node with what is stored. */
  crash(options: CrashOptions = {}): MemoryEngine {
    const left = this.queue.die();
    this.#stop();
    const survives = survivors(options.seed);
    for (const operation of left) {
      if (survives(operation)) operation.apply();
      else operation.discard();
    }
    this.#rewindLogs();
    this.#cluster.leave(this);
    this.#cluster.wake();
    return new MemoryEngine(this.#cluster);
  }

  #close(): Promise<void> {
    const closed = this.queue.call({
      kind: "close",
      run: () => {
        this.#stop();
        this.#cluster.leave(this);
      },
    });
    this.#gate.shut();
    this.hooks.resume();
    return closed;
  }

  #stop(): void {
    this.#gate.stopSubscriptions();
    this.owners.stop();
    this.bus.stop();
    this.#health.clear();
  }

  #setProblems(problems: readonly string[]): void {
    this.#problems = problems;
    this.#gate.start("bus", () => this.#health.call(this.health()));
  }

  /** The numbers of appends that a crash has forgotten are given again, but for those below what other nodes wait for. */
  #rewindLogs(): void {
    const others = [...this.#cluster.nodes.values()].flatMap((node) => [...node.queue.operations]);
    const appends = others.filter((operation) => operation instanceof AppendOperation);
    for (const log of this.#cluster.logs.all()) {
      const seqs = appends.filter((append) => append.log === log).map((append) => append.entry.seq);
      log.rewind(Math.max(0, ...seqs));
    }
  }
}

/** An engine of its own, or one more node of a cluster. Must be closed. */
export function openMemoryEngine(
  options: MemoryClusterOptions | { readonly cluster: MemoryCluster },
): MemoryEngine {
  return new MemoryEngine("cluster" in options ? options.cluster : new MemoryCluster(options));
}

/** Says of each operation, in order, whether a crash left it applied. */
function survivors(seed: number | undefined): (operation: Operation) => boolean {
  if (seed === undefined) return () => false;
  const random = randomFrom(seed);
  const cut = new Set<string>();
  return (operation) => {
    const { lane, failure } = operation;
    if (lane === undefined || cut.has(lane)) return false;
    if (random() < 0.5 && operation.isReady() && failure?.outcome !== "lost") return true;
    cut.add(lane);
    return false;
  };
}

/** Mulberry32: small, and the same numbers for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
