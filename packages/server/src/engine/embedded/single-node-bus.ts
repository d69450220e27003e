import {
  EngineError,
  type Bus,
  type BusPacket,
  type Plain,
  type Subscription,
} from "../../core/ports/engine.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { EngineGate } from "./engine-gate.ts";
import { notify } from "./notification.ts";
import { decodePlain, encodePlain } from "./store/plain-codec.ts";

type Handler = (body: Plain, fromNode: string) => Promise<Plain>;

/** The bus of a node that has no others: nobody to publish to, and only itself to ask. */
export class SingleNodeBus implements Bus {
  readonly #gate: EngineGate;
  readonly #clock: Clock;
  readonly #nodeId: string;
  readonly #handlers = new Map<string, Handler>();

  constructor(gate: EngineGate, clock: Clock, nodeId: string) {
    this.#gate = gate;
    this.#clock = clock;
    this.#nodeId = nodeId;
  }

  publish(): void {}

  async interest(): Promise<void> {
    this.#gate.check();
  }

  onPacket(_callback: (packet: BusPacket) => void): Subscription {
    return { stop: () => undefined };
  }

  joinGroup(_name: string, onMembers: (nodeIds: readonly string[]) => void): Subscription {
    const subscription = this.#gate.subscription(() => undefined);
    this.#clock.soon(() => {
      if (!subscription.isStopped && this.#gate.isOpen) notify(onMembers, [this.#nodeId]);
    });
    return subscription;
  }

  async request(nodeId: string, verb: string, body: Plain, timeoutMs: number): Promise<Plain> {
    this.#gate.check();
    const sent = encodePlain(body);
    const handler = nodeId === this.#nodeId ? this.#handlers.get(verb) : undefined;
    if (handler === undefined) throw new EngineError("unavailable", `node ${nodeId} does not serve ${verb}`);
    return this.#within(timeoutMs, answer(handler, decodePlain(sent), this.#nodeId));
  }

  serve(verb: string, handler: Handler): Subscription {
    this.#handlers.set(verb, handler);
    return this.#gate.subscription(() => {
      if (this.#handlers.get(verb) === handler) this.#handlers.delete(verb);
    });
  }

  #within(timeoutMs: number, reply: Promise<Plain>): Promise<Plain> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(timeoutMs, () =>
        reject(new EngineError("timeout", `no answer within ${timeoutMs} ms`, true)),
      );
      reply.finally(() => timer.cancel()).then(resolve, reject);
    });
  }
}

async function answer(handler: Handler, body: Plain, fromNode: string): Promise<Plain> {
  try {
    return decodePlain(encodePlain(await handler(body, fromNode)));
  } catch (error) {
    throw new EngineError("unavailable", String(error), true);
  }
}
