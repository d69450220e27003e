import type { Principal } from "../core/access/principal.ts";
import type { Clock, Timer } from "../core/ports/clock.ts";
import { DueQueue } from "./due-queue.ts";
import type { PrincipalSession } from "./principal-session.ts";

export interface PrincipalExpiryOptions {
  readonly clock: Clock;
  /** The session that a principal has now; undefined: none. */
  readonly sessionOf: (principal: Principal) => PrincipalSession | undefined;
}

const LONGEST_WAIT_MS = 60_000;
/** Below it, principals without a session are not worth looking for. */
const MIN_PRUNED = 1_024;

/** Ends the principals of JWTs when their time is over, however silent their clients are. */
export class PrincipalExpiry {
  readonly #options: PrincipalExpiryOptions;
  readonly #due = new DueQueue<Principal>();
  #pruneAt = MIN_PRUNED;
  #timer: Timer | undefined;
  #timerDueMs = Infinity;
  #isStopped = false;

  constructor(options: PrincipalExpiryOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** A principal is about to serve a session, or its end has changed. */
  consider(principal: Principal): void {
    if (principal.endsAtMs === Infinity) return;
    this.#due.set(principal, principal.endsAtMs);
    this.#arm();
  }

  #arm(): void {
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    const dueMs = Math.min(this.#due.nextMs ?? Infinity, nowMs + LONGEST_WAIT_MS);
    if (this.#isStopped || this.#due.count === 0 || (this.#timer && this.#timerDueMs <= dueMs)) return;
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = clock.after(Math.max(dueMs - nowMs, 0), () => this.#tick());
  }

  #tick(): void {
    this.#timer = undefined;
    const nowMs = this.#options.clock.nowMs();
    for (let due = this.#due.take(nowMs); due !== undefined; due = this.#due.take(nowMs)) this.#expire(due);
    this.#prune();
    this.#arm();
  }

  #expire(principal: Principal): void {
    const session = this.#options.sessionOf(principal);
    if (!principal.ended) session?.endPrincipal("expired");
  }

  /** Clients that have gone do not say so: those that come again and again would fill the queue until they expire. */
  #prune(): void {
    if (this.#due.count < this.#pruneAt) return;
    this.#due.prune((principal) => this.#options.sessionOf(principal) !== undefined);
    this.#pruneAt = Math.max(MIN_PRUNED, 2 * this.#due.count);
  }
}
