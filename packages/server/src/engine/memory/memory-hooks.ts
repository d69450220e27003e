import type { EngineError, Subscription } from "../../core/ports/engine.ts";
import { ListenerSet } from "./listener-set.ts";
import type { AwaitPoint, OperationKind, OperationQueue } from "./operation-queue.ts";
import type { CrashOptions, MemoryEngine } from "./memory-engine.ts";

export interface FailureOptions {
  readonly kind: OperationKind;
  readonly error: EngineError;
  /** Whether the change is made all the same. */
  readonly outcome: "applied" | "lost";
  /** How many operations of the kind: 1 unless given, Infinity until `clearFailures`. */
  readonly times?: number;
}

/**
 * What tests may do to an engine that no real engine offers: to hold operations and let them go one by one, to make
 * them fail, to crash the node at a chosen moment.
 */
export class MemoryHooks {
  readonly #engine: MemoryEngine;
  readonly #queue: OperationQueue;
  readonly #points = new ListenerSet<[point: AwaitPoint]>();
  readonly #setProblems: (problems: readonly string[]) => void;

  constructor(
    engine: MemoryEngine,
    queue: OperationQueue,
    setProblems: (problems: readonly string[]) => void,
  ) {
    this.#engine = engine;
    this.#queue = queue;
    this.#setProblems = setProblems;
  }

  /** Operations that have not been applied. */
  get pending(): number {
    return this.#queue.length;
  }

  /** From now on nothing is applied or settled but by `step`. */
  hold(): void {
    this.#queue.hold(true);
  }

  /** Applies and settles the oldest operation. False: there is none, or another node's append has to come before it. */
  step(): boolean {
    return this.#queue.step();
  }

  /** Ends `hold`. */
  resume(): void {
    this.#queue.hold(false);
  }

  /** The next operations of a kind that are called fail. */
  fail(options: FailureOptions): void {
    this.#queue.planFailure(
      options.kind,
      { error: options.error, outcome: options.outcome },
      options.times ?? 1,
    );
  }

  clearFailures(): void {
    this.#queue.clearFailures();
  }

  /** Called at each moment at which a crash would make a difference: twice for each operation. */
  onAwait(callback: (point: AwaitPoint) => void): Subscription {
    this.#queue.onPoint = (point) => this.#points.call(point);
    return this.#points.add(callback);
  }

  /** See `MemoryEngine.crash`. */
  crash(options?: CrashOptions): MemoryEngine {
    return this.#engine.crash(options);
  }

  /** Crashes at the point of that number; resolves with the engine that comes after. */
  crashAt(point: number, options?: CrashOptions): Promise<MemoryEngine> {
    return new Promise((resolve) => {
      const subscription = this.onAwait((reached) => {
        if (reached.number !== point) return;
        subscription.stop();
        resolve(this.crash(options));
      });
    });
  }

  /** What `health` tells from now on. */
  setProblems(problems: readonly string[]): void {
    this.#setProblems(problems);
  }
}
