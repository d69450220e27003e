import { EngineError } from "../../core/ports/engine.ts";

export type OperationKind =
  | "append"
  | "lookup"
  | "interest"
  | "tail"
  | "read"
  | "fetch"
  | "get"
  | "put"
  | "delete"
  | "atomic"
  | "watch"
  | "list"
  | "acquire"
  | "save"
  | "release"
  | "bus"
  | "drain"
  | "close";

/** What a test makes of an operation: its promise rejects with `error`, and the change was made all the same or is lost. */
export interface Failure {
  readonly error: EngineError;
  readonly outcome: "applied" | "lost";
}

export interface Operation {
  readonly kind: OperationKind;
  /** Operations of one lane survive a crash as a prefix; undefined: changes nothing that lasts. */
  readonly lane: string | undefined;
  failure: Failure | undefined;
  /** False while another node's earlier append to the same shard has yet to be applied. */
  isReady(): boolean;
  apply(): void;
  /** Instead of `apply`: it will never be applied. */
  discard(): void;
  resolve(): void;
  reject(error: EngineError): void;
}

/** A moment at which a crash makes a difference. */
export interface AwaitPoint {
  /** 1, 2, 3, … since the engine was opened. */
  readonly number: number;
  readonly kind: OperationKind;
  /** Before the change is made; or after it was made and shown, before the promise settles. */
  readonly phase: "apply" | "settle";
}

let resolveOfPromise: (value: never) => void;
let rejectOfPromise: (error: Error) => void;

/** One function for all promises: a closure for each would cost more than the promise. */
function capture(resolve: (value: never) => void, reject: (error: Error) => void): void {
  resolveOfPromise = resolve;
  rejectOfPromise = reject;
}

/** An operation's promise with the two functions that settle it. */
export class Settlement<T> {
  readonly promise: Promise<T> = new Promise<T>(capture);
  readonly resolve: (value: T) => void = resolveOfPromise as (value: T) => void;
  readonly reject: (error: Error) => void = rejectOfPromise;
}

/** Any operation that is not an append. */
export interface CallOptions<T> {
  readonly kind: OperationKind;
  readonly lane?: string | undefined;
  /** Makes the change and gives the promise's value, or throws EngineError. */
  readonly run: () => T;
  readonly isReady?: (() => boolean) | undefined;
}

class Call<T> implements Operation {
  readonly kind: OperationKind;
  readonly lane: string | undefined;
  readonly settlement: Settlement<T> = new Settlement<T>();
  readonly #run: () => T;
  readonly #ready: (() => boolean) | undefined;
  #value: T | undefined;
  #error: EngineError | undefined;
  failure: Failure | undefined = undefined;

  constructor(call: CallOptions<T>) {
    this.kind = call.kind;
    this.lane = call.lane;
    this.#run = call.run;
    this.#ready = call.isReady;
  }

  isReady(): boolean {
    return this.#ready === undefined || this.#ready();
  }

  apply(): void {
    try {
      this.#value = this.#run();
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      this.#error = error;
    }
  }

  discard(): void {}

  resolve(): void {
    if (this.#error === undefined) this.settlement.resolve(this.#value as T);
    else this.settlement.reject(this.#error);
  }

  reject(error: EngineError): void {
    this.settlement.reject(error);
  }
}

interface PlannedFailure extends Failure {
  readonly kind: OperationKind;
  times: number;
}

/**
 * What one node has been asked to do and has not done yet, in the order of the calls. One microtask empties it for a
 * whole burst: each operation is applied, shown to tails and watchers, and only then its promise settles, so nothing
 * settles in the tick of its call. What is called meanwhile waits for the next microtask.
 */
export class OperationQueue {
  #pending: Operation[] = [];
  #next = 0;
  #isScheduled = false;
  #isHeld = false;
  #isDead = false;
  #points = 0;
  readonly #failures: PlannedFailure[] = [];
  readonly #onFlushed: () => unknown;
  /** Test hook, called at each point. */
  onPoint: ((point: AwaitPoint) => void) | undefined;

  /** `onFlushed` is called after each burst. */
  constructor(onFlushed: () => unknown) {
    this.#onFlushed = onFlushed;
  }

  get length(): number {
    return this.#pending.length - this.#next;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** What has not been applied, in order. */
  get operations(): readonly Operation[] {
    return this.#pending.slice(this.#next);
  }

  call<T>(options: CallOptions<T>): Promise<T> {
    const call = new Call(options);
    this.push(call);
    return call.settlement.promise;
  }

  push(operation: Operation): void {
    if (this.#isDead) return;
    if (this.#failures.length > 0) operation.failure = this.#takeFailure(operation.kind);
    this.#pending.push(operation);
    this.schedule();
  }

  schedule(): void {
    if (this.#isScheduled || this.#isHeld || this.#pending[this.#next]?.isReady() !== true) return;
    this.#isScheduled = true;
    queueMicrotask(this.#flush);
  }

  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.schedule();
  }

  /** Does the oldest operation; false where there is none, or it has to wait for another node. */
  step(): boolean {
    const isDone = this.#step();
    this.#compact();
    this.#onFlushed();
    return isDone;
  }

  planFailure(kind: OperationKind, failure: Failure, times: number): void {
    this.#failures.push({ ...failure, kind, times });
  }

  clearFailures(): void {
    this.#failures.length = 0;
  }

  /** Nothing settles any more. Returns what was not applied, in order. */
  die(): Operation[] {
    this.#isDead = true;
    const left = this.#pending.slice(this.#next);
    this.#pending = [];
    this.#next = 0;
    return left;
  }

  readonly #flush = (): void => {
    this.#isScheduled = false;
    const end = this.#pending.length;
    try {
      while (this.#next < end && !this.#isHeld && this.#step());
    } finally {
      this.#compact();
      this.schedule();
      this.#onFlushed();
    }
  };

  #step(): boolean {
    const operation = this.#pending[this.#next];
    if (operation === undefined || !operation.isReady() || this.#isCrashedAt(operation, "apply"))
      return false;
    this.#next += 1;
    const { failure } = operation;
    if (failure?.outcome === "lost") operation.discard();
    else operation.apply();
    if (this.#isCrashedAt(operation, "settle")) return true;
    if (failure === undefined) operation.resolve();
    else operation.reject(failure.error);
    return true;
  }

  #compact(): void {
    if (this.#next === this.#pending.length) this.#pending.length = 0;
    else if (this.#next > 0) this.#pending.splice(0, this.#next);
    this.#next = 0;
  }

  #isCrashedAt(operation: Operation, phase: AwaitPoint["phase"]): boolean {
    this.#points += 1;
    if (this.onPoint !== undefined) this.onPoint({ number: this.#points, kind: operation.kind, phase });
    return this.#isDead;
  }

  #takeFailure(kind: OperationKind): Failure | undefined {
    const index = this.#failures.findIndex((failure) => failure.kind === kind);
    const failure = this.#failures[index];
    if (failure === undefined) return undefined;
    failure.times -= 1;
    if (failure.times <= 0) this.#failures.splice(index, 1);
    return failure;
  }
}
