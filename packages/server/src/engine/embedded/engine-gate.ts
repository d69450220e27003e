import { EngineError, type Subscription } from "../../core/ports/engine.ts";

export interface StoppableSubscription extends Subscription {
  readonly isStopped: boolean;
}

/** What every call passes: refused with `closed` after `shut`, with `unavailable` once the store has failed. */
export class EngineGate {
  readonly #subscriptions = new Set<Subscription>();
  #refusal: EngineError | undefined;

  get isOpen(): boolean {
    return this.#refusal === undefined;
  }

  /** Throws EngineError. */
  check(): void {
    const refusal = this.#refusal;
    if (refusal !== undefined) throw new EngineError(refusal.code, refusal.message);
  }

  /** From now on every call is refused. The first reason stays, but for `closed`. */
  shut(refusal: EngineError): void {
    if (this.#refusal === undefined || refusal.code === "closed") this.#refusal = refusal;
  }

  /** Stops also when the engine does. */
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

  stopSubscriptions(): void {
    for (const subscription of this.#subscriptions) subscription.stop();
  }
}
