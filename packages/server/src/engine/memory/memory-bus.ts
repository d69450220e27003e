import { topicMatches } from "@weir/protocol";
import {
  EngineError,
  type Bus,
  type BusPacket,
  type Plain,
  type Subscription,
} from "../../core/ports/engine.ts";
import { ListenerSet } from "./listener-set.ts";
import type { MemoryCluster } from "./memory-cluster.ts";
import type { NodeGate } from "./node-gate.ts";
import { notify } from "./notification.ts";
import { Settlement } from "./operation-queue.ts";
import { copyPlain } from "./plain-copy.ts";

type Handler = (body: Plain, fromNode: string) => Promise<Plain>;

interface GroupMember {
  readonly group: string;
  readonly callback: (nodeIds: readonly string[]) => void;
  told: string | undefined;
}

/** One node's end of the cluster's bus. */
export class MemoryBus implements Bus {
  readonly #gate: NodeGate;
  readonly #cluster: MemoryCluster;
  readonly #nodeId: string;
  readonly #filters = new Map<string, Set<string>>();
  readonly #packets = new ListenerSet<[packet: BusPacket]>();
  readonly #members = new Set<GroupMember>();
  readonly #handlers = new Map<string, Handler>();

  constructor(gate: NodeGate, cluster: MemoryCluster, nodeId: string) {
    this.#gate = gate;
    this.#cluster = cluster;
    this.#nodeId = nodeId;
  }

  publish(tenant: string, topic: string, body: Plain): void {
    const packet: BusPacket = { tenant, topic, body: copyPlain(body), fromNode: this.#nodeId };
    this.#gate.start("bus", () => {
      for (const node of this.#cluster.nodes.values())
        if (node.nodeId !== this.#nodeId) node.bus.receive(packet);
    });
  }

  interest(tenant: string, add: readonly string[], remove: readonly string[]): Promise<void> {
    return this.#gate.call({
      kind: "bus",
      run: () => {
        const filters = this.#filters.get(tenant) ?? new Set<string>();
        for (const filter of remove) filters.delete(filter);
        for (const filter of add) filters.add(filter);
        this.#filters.set(tenant, filters);
      },
    });
  }

  onPacket(callback: (packet: BusPacket) => void): Subscription {
    return this.#packets.add(callback);
  }

  joinGroup(name: string, onMembers: (nodeIds: readonly string[]) => void): Subscription {
    const member: GroupMember = { group: name, callback: onMembers, told: undefined };
    const subscription = this.#gate.subscription(() => {
      this.#members.delete(member);
      this.#cluster.membersChanged();
    });
    this.#gate.start("bus", () => {
      if (subscription.isStopped) return;
      this.#members.add(member);
      this.#cluster.membersChanged();
    });
    return subscription;
  }

  async request(nodeId: string, verb: string, body: Plain, timeoutMs: number): Promise<Plain> {
    const sent = copyPlain(body);
    const handler = await this.#gate.call({ kind: "bus", run: () => this.#handlerOf(nodeId, verb) });
    return this.#answer(handler(sent, this.#nodeId), timeoutMs);
  }

  serve(verb: string, handler: Handler): Subscription {
    this.#handlers.set(verb, handler);
    return this.#gate.subscription(() => {
      if (this.#handlers.get(verb) === handler) this.#handlers.delete(verb);
    });
  }

  /** From another node. */
  receive(packet: BusPacket): void {
    const filters = [...(this.#filters.get(packet.tenant) ?? [])];
    if (!filters.some((filter) => topicMatches(filter, packet.topic))) return;
    this.#packets.call({ ...packet, body: copyPlain(packet.body) });
  }

  /** Nodes have joined or left the cluster or a group. */
  membersChanged(): void {
    for (const member of this.#members) {
      const nodes = [...this.#cluster.nodes.values()].filter((node) => node.bus.isMember(member.group));
      const nodeIds = nodes.map((node) => node.nodeId).toSorted();
      if (nodeIds.join(" ") === member.told) continue;
      member.told = nodeIds.join(" ");
      notify(member.callback, nodeIds);
    }
  }

  isMember(group: string): boolean {
    for (const member of this.#members) if (member.group === group) return true;
    return false;
  }

  /** What answers other nodes. */
  handler(verb: string): Handler | undefined {
    const handler = this.#handlers.get(verb);
    return handler === undefined ? undefined : (body, fromNode) => this.#serve(handler, body, fromNode);
  }

  stop(): void {
    this.#packets.clear();
  }

  #handlerOf(nodeId: string, verb: string): Handler {
    const handler = this.#cluster.nodes.get(nodeId)?.bus.handler(verb);
    if (handler === undefined) throw new EngineError("unavailable", `node ${nodeId} does not serve ${verb}`);
    return handler;
  }

  /** A node that crashed meanwhile does not answer. */
  #serve(handler: Handler, body: Plain, fromNode: string): Promise<Plain> {
    const settlement = new Settlement<Plain>();
    handler(body, fromNode).then(
      (reply) => !this.#gate.queue.isDead && settlement.resolve(copyPlain(reply)),
      (error: unknown) =>
        !this.#gate.queue.isDead && settlement.reject(new EngineError("unavailable", String(error), true)),
    );
    return settlement.promise;
  }

  #answer(reply: Promise<Plain>, timeoutMs: number): Promise<Plain> {
    const settlement = new Settlement<Plain>();
    const timer = this.#cluster.clock.after(timeoutMs, () => {
      const error = new EngineError("timeout", `no answer within ${timeoutMs} ms`, true);
      if (!this.#gate.queue.isDead) settlement.reject(error);
    });
    reply
      .finally(() => timer.cancel())
      .then(
        (value) => !this.#gate.queue.isDead && settlement.resolve(value),
        (error: Error) => !this.#gate.queue.isDead && settlement.reject(error),
      );
    return settlement.promise;
  }
}
