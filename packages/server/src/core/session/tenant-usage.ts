import { identityKey, type Principal } from "../access/principal.ts";
import type { TenantLimits } from "../access/tenant-settings.ts";
import type { Clock } from "../ports/clock.ts";
import type { Counters, LimitName } from "../ports/telemetry.ts";
import { type PublishBound, PublishMeter } from "./publish-meter.ts";
import { TokenBucket } from "./token-bucket.ts";

type RateLimits = Pick<TenantLimits, "publishRate" | "publishBytesRate">;

/** The buckets of one holder, or of the tenant. */
interface Allowance {
  messages?: TokenBucket;
  bytes?: TokenBucket;
}

export interface TenantUsageOptions {
  readonly clock: Clock;
  readonly counters: Counters;
  /** Of the tenant, as of now. */
  readonly limits: () => TenantLimits;
}

/** Below it, allowances that nobody draws on are not worth looking for. */
const minPruned = 1_024;

/**
 * What the principals of a tenant use of what their limits count together: connections, and publishes a second. Those of
 * one token share, and those of one identity of a provider.
 */
export class TenantUsage {
  readonly #options: TenantUsageOptions;
  readonly #connectionsOf = new Map<string, number>();
  #connections = 0;
  readonly #allowances = new Map<string, Allowance>();
  #pruneAt = minPruned;
  readonly #ofTenant: Allowance = {};

  constructor(options: TenantUsageOptions) {
    this.#options = options;
  }

  /** Of the whole tenant, accepted ones. */
  get connections(): number {
    return this.#connections;
  }

  /**
   * Whether there may be one connection more; counts where not.
   *
   * @param replaces how many of those that are there it takes over
   */
  hasRoomFor(principal: Principal, replaces: 0 | 1): boolean {
    const own = principal.limits?.connections ?? Infinity;
    const ofTenant = this.#options.limits().connections ?? Infinity;
    if (own === Infinity && ofTenant === Infinity) return true;
    const held = this.#connectionsOf.get(holderOf(principal)) ?? 0;
    if (held - replaces < own && this.#connections - replaces < ofTenant) return true;
    this.#options.counters.limitReached["limits.connections"] += 1;
    return false;
  }

  connected(principal: Principal): void {
    const holder = holderOf(principal);
    this.#connections += 1;
    this.#connectionsOf.set(holder, (this.#connectionsOf.get(holder) ?? 0) + 1);
  }

  disconnected(principal: Principal): void {
    const holder = holderOf(principal);
    this.#connections -= 1;
    const left = (this.#connectionsOf.get(holder) ?? 1) - 1;
    if (left > 0) this.#connectionsOf.set(holder, left);
    else this.#connectionsOf.delete(holder);
  }

  /** What the principal's publishes are drawn from; undefined: nothing bounds them. */
  meterOf(principal: Principal): PublishMeter | undefined {
    const { clock, counters, limits: limitsOfTenant } = this.#options;
    const tenant = limitsOfTenant();
    const { limits } = principal;
    const isFree = !isRated(tenant) && !isRated(limits);
    if (isFree) return undefined;
    const nowMs = clock.nowMs();
    const bounds = this.#boundsOf(this.#ofTenant, tenant, nowMs);
    if (limits && isRated(limits))
      bounds.push(...this.#boundsOf(this.#allowanceOf(holderOf(principal), nowMs), limits, nowMs));
    return new PublishMeter(bounds, clock, counters);
  }

  #boundsOf(allowance: Allowance, limits: RateLimits, nowMs: number): PublishBound[] {
    const { publishRate, publishBytesRate } = limits;
    const bounds: PublishBound[] = [];
    const add = (limit: LimitName, bucket: TokenBucket): void => void bounds.push({ limit, bucket });
    if (publishRate !== undefined)
      add("limits.publishRate", (allowance.messages = bucketAt(publishRate, allowance.messages, nowMs)));
    if (publishBytesRate !== undefined)
      add("limits.publishBytesRate", (allowance.bytes = bucketAt(publishBytesRate, allowance.bytes, nowMs)));
    return bounds;
  }

  #allowanceOf(holder: string, nowMs: number): Allowance {
    let allowance = this.#allowances.get(holder);
    if (!allowance) {
      this.#prune(nowMs);
      this.#allowances.set(holder, (allowance = {}));
    }
    return allowance;
  }

  /** Who is not connected and could publish at its full rate again is as good as new. */
  #prune(nowMs: number): void {
    if (this.#allowances.size < this.#pruneAt) return;
    for (const [holder, { messages, bytes }] of this.#allowances) {
      const isFull = (messages?.isFull(nowMs) ?? true) && (bytes?.isFull(nowMs) ?? true);
      if (isFull && !this.#connectionsOf.has(holder)) this.#allowances.delete(holder);
    }
    this.#pruneAt = Math.max(minPruned, 2 * this.#allowances.size);
  }
}

function isRated(limits: RateLimits | undefined): boolean {
  return limits?.publishRate !== undefined || limits?.publishBytesRate !== undefined;
}

function bucketAt(ratePerS: number, known: TokenBucket | undefined, nowMs: number): TokenBucket {
  known?.setRate(ratePerS);
  return known ?? new TokenBucket(ratePerS, nowMs);
}

/** Whose connections count together. No id of a token holds a colon. */
function holderOf({ tokenId, tenant, identity }: Pick<Principal, "tokenId" | "tenant" | "identity">): string {
  return tokenId ?? identityKey(tenant, identity);
}
