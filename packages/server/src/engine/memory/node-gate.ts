import { EngineError, type Subscription } from "../../core/ports/engine.ts";
import type { CallOptions, OperationKind, OperationQueue } from "./operation-queue.ts";

export interface StoppableSubscription extends Subscription {
  readonly isStopped: boolean;
}

/** What every call on one node passes: after `shut` it is refused with `closed`, after a crash it never settles. */
export class NodeGate {
  readonly queue: OperationQueue;
  readonly #subscriptions = new Set<Subscription>();
  #isShut = false;

  constructor(queue: OperationQueue) {
    this.queue = queue;
  }

  /** False once the node is closed or has crashed. */
  get isOpen(): boolean {
    return !this.#isShut && !this.queue.isDead;
  }

  call<T>(options: CallOptions<T>): Promise<T> {
    return this.#isShut ? this.refuse(options.kind, closed()) : this.queue.call(options);
  }

  /** Rejects as late and in the same order as any other answer. */
  refuse(kind: OperationKind, error: EngineError): Promise<never> {
    return this.queue.call<never>({
      kind,
      run: () => {
        throw error;
      },
    });
  }

  refuseClosed(kind: OperationKind): Promise<never> {
    return this.refuse(kind, closed());
  }

  /** Something that nobody waits for: where a test makes it fail, nobody hears of it. */
  start(kind: OperationKind, run: () => void): void {
    if (!this.#isShut) this.queue.call({ kind, run }).catch(() => {});
  }

  /** Stops also when the node closes or crashes. */
  subscription(onStop: () => void): StoppableSubscription {
    const subscriptions = this.#subscriptions;
    const subscription = {
      isStopped: false,
      stop(): void {
        if (this.isStopped) return;
        this.isStopped = true;
        subscriptions.delete(this);
        onStop();
      },
    };
    subscriptions.add(subscription);
    return subscription;
  }

  shut(): void {
    this.#isShut = true;
  }

  stopSubscriptions(): void {
    for (const subscription of this.#subscriptions) subscription.stop();
  }
}

function closed(): EngineError {
  return new EngineError("closed", "the engine is closed");
}
