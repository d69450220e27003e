import type { Clock, Timer } from "../core/ports/clock.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import type { AccessTokenStore } from "./access-token-store.ts";
import { DueQueue } from "./due-queue.ts";
import type { MintedTokens } from "./minted-tokens.ts";
import type { StoredToken } from "./stored-token.ts";
import type { TokenPrincipals } from "./token-principals.ts";

export interface TokenExpiryOptions {
  readonly store: AccessTokenStore;
  readonly principals: TokenPrincipals;
  readonly minted: MintedTokens;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether a connection is open with this token: it counts as use. */
  readonly isConnected: (tenant: string, tokenId: string) => boolean;
  /** Whether a session still belongs to the token: its record is kept for that long. */
  readonly hasSessions: (tenant: string, tokenId: string) => boolean;
}

/** An ended token can be looked at (and prolonged) for an hour, then it goes by itself. */
const KEEP_ENDED_MS = 3_600_000;
const SAVE_USES_EVERY_MS = 5_000;
const LONGEST_WAIT_MS = 60_000;
/** Connections are looked for ten times a ttl, since their end is not told: a ttl ends at most a tenth too early. */
const LOOKS_PER_TTL = 10;

/** Ends tokens when their time is over, and removes them an hour later. */
export class TokenExpiry {
  readonly #options: TokenExpiryOptions;
  readonly #due = new DueQueue();
  #timer: Timer | undefined;
  #timerDueMs = Infinity;
  #savesAtMs: number;
  #isStopped = false;

  constructor(options: TokenExpiryOptions) {
    this.#options = options;
    this.#savesAtMs = options.clock.nowMs() + SAVE_USES_EVERY_MS;
  }

  start(): void {
    for (const token of this.#options.store.all()) this.consider(token);
    this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** A token is new or has changed. */
  consider(token: StoredToken): void {
    const endMs = this.#options.minted.endMs(token);
    if (endMs < Infinity) this.#due.set(token.id, Math.min(endMs, this.#nextLookMs(token)));
    else this.#due.delete(token.id);
    this.#arm();
  }

  /** A connection with this token begins. */
  connected(token: StoredToken): void {
    if (token.ttlS === undefined) return;
    this.#due.setAtMost(token.id, this.#nextLookMs(token));
    this.#arm();
  }

  #nextLookMs(token: StoredToken): number {
    if (token.ttlS === undefined) return Infinity;
    const stepMs = (token.ttlS * 1_000) / LOOKS_PER_TTL;
    return this.#options.clock.nowMs() + Math.min(Math.max(stepMs, 250), LONGEST_WAIT_MS);
  }

  #arm(): void {
    const nowMs = this.#options.clock.nowMs();
    const dueMs = Math.min(this.#due.nextMs ?? Infinity, this.#savesAtMs, nowMs + LONGEST_WAIT_MS);
    if (this.#isStopped || (this.#timer && this.#timerDueMs <= dueMs)) return;
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = this.#options.clock.after(Math.max(dueMs - nowMs, 0), () => this.#tick());
  }

  #tick(): void {
    this.#timer = undefined;
    const nowMs = this.#options.clock.nowMs();
    for (let id = this.#due.take(nowMs); id !== undefined; id = this.#due.take(nowMs)) {
      const token = this.#options.store.get(id);
      if (token) this.#look(token, nowMs);
    }
    if (nowMs >= this.#savesAtMs) {
      this.#savesAtMs = nowMs + SAVE_USES_EVERY_MS;
      void this.#options.store.saveUses();
    }
    this.#arm();
  }

  #look(token: StoredToken, nowMs: number): void {
    const { store, principals, minted, isConnected } = this.#options;
    const isInUse = token.ttlS !== undefined && isConnected(token.tenant, token.id);
    if (isInUse && (token.expiresAtMs ?? Infinity) > nowMs) store.touch(token);
    const endMs = minted.endMs(token);
    if (endMs > nowMs) {
      if (endMs < Infinity)
        this.#due.set(token.id, isInUse ? Math.min(endMs, this.#nextLookMs(token)) : endMs);
      return;
    }
    principals.expire(token);
    this.#removeLater(token, endMs, nowMs);
  }

  #removeLater(token: StoredToken, endMs: number, nowMs: number): void {
    const { store, logger, hasSessions } = this.#options;
    const isDue = endMs + KEEP_ENDED_MS <= nowMs;
    this.#due.set(token.id, isDue ? nowMs + KEEP_ENDED_MS : endMs + KEEP_ENDED_MS);
    // What a minting token has made is removed before it.
    const isNeeded = hasSessions(token.tenant, token.id) || store.mintedCount(token.id) > 0;
    if (!isDue || token.isBuiltIn || isNeeded) return;
    store
      .delete(token)
      .catch((error: unknown) =>
        logger.warn({ tokenId: token.id, error }, "an ended token could not be removed"),
      );
  }
}
