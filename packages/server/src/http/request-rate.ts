import type { Caller } from "../admin/scope.ts";
import { RequestError } from "./problem-reply.ts";

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Callers whose buckets are kept; who asks again after so many others begins with a full one. */
const MAX_CALLERS = 10_000;

export interface RequestRateOptions {
  /** At most so many a second. */
  readonly ratePerS: number;
  nowMs(): number;
  /** One was refused. */
  exceeded(): void;
}

/** Lets each credential make so many requests a second, in bursts of up to twice as many. */
export class RequestRate {
  readonly #options: RequestRateOptions;
  /** The one that asked longest ago first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RequestRateOptions) {
    this.#options = options;
  }

  /** @throws {RequestError} `rate` */
  take({ principal, token }: Caller): void {
    const { realm, subject } = principal.identity;
    const key = token?.id ?? `${principal.tenant} ${realm} ${subject}`;
    const bucket = this.#refilled(key);
    if (bucket.tokens < 1) {
      const { ratePerS } = this.#options;
      this.#options.exceeded();
      const waitS = (1 - bucket.tokens) / ratePerS;
      throw new RequestError("rate", `more than ${ratePerS} requests a second`, waitS);
    }
    bucket.tokens -= 1;
  }

  #refilled(key: string): Bucket {
    const { ratePerS } = this.#options;
    const nowMs = this.#options.nowMs();
    const full = ratePerS * 2;
    const bucket = this.#buckets.get(key) ?? { tokens: full, atMs: nowMs };
    bucket.tokens = Math.min(full, bucket.tokens + ((nowMs - bucket.atMs) / 1_000) * ratePerS);
    bucket.atMs = nowMs;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_CALLERS) this.#buckets.delete(this.#buckets.keys().next().value as string);
    return bucket;
  }
}
