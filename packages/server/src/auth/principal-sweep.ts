import type { Clock } from "../core/ports/clock.ts";
import type { PrincipalSession } from "./principal-session.ts";

export interface PrincipalSweepOptions {
  readonly clock: Clock;
  /** Allows for sessions that come and go meanwhile. */
  readonly sessionsOf: (tenant: string) => Iterable<PrincipalSession>;
  /** Brings one session up to date. */
  readonly follow: (session: PrincipalSession) => void;
}

/** How long one slice may hold the event loop. */
const SLICE_MS = 2;
/** The clock is asked once for so many sessions: most have nothing to follow. */
const SESSIONS_A_LOOK = 16;

/**
 * Goes through a tenant's sessions after a change that may concern any of them: in slices, once for however many changes
 * come before it begins, and again for those that come meanwhile (semantics.md §1.8).
 */
export class PrincipalSweep {
  readonly #options: PrincipalSweepOptions;
  readonly #waiting = new Set<string>();
  #current: Iterator<PrincipalSession, unknown> | undefined;
  #isStopped = false;

  constructor(options: PrincipalSweepOptions) {
    this.#options = options;
  }

  request(tenant: string): void {
    this.#waiting.add(tenant);
    if (this.#current === undefined) this.#next();
  }

  stop(): void {
    this.#isStopped = true;
  }

  #next(): void {
    const [tenant] = this.#waiting;
    this.#current = undefined;
    if (tenant === undefined || this.#isStopped) return;
    this.#waiting.delete(tenant);
    this.#current = this.#options.sessionsOf(tenant)[Symbol.iterator]();
    this.#options.clock.soon(() => this.#slice());
  }

  #slice(): void {
    const { clock, follow } = this.#options;
    const until = clock.nowMs() + SLICE_MS;
    while (this.#current && !this.#isStopped) {
      for (let i = 0; i < SESSIONS_A_LOOK; i++) {
        const next: IteratorResult<PrincipalSession, unknown> = this.#current.next();
        if (next.done) return this.#next();
        follow(next.value);
      }
      if (clock.nowMs() >= until) {
        clock.soon(() => this.#slice());
        return;
      }
    }
  }
}
