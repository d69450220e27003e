import type { Clock, Timer } from "../core/ports/clock.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import { KeyRing, parseJwks, type PublicKey } from "./key-ring.ts";

export interface JwksSourceOptions {
  readonly uri: string;
  readonly refreshIntervalS: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fetchJson: (url: string) => Promise<unknown>;
  /** Keys have left, or it is known for the first time which there are. */
  readonly onGone: () => void;
}

/** A JWT with a key that is not known asks for one fetch, at most this often. */
const MIN_INTERVAL_MS = 5_000;
/** What one answer lacks, a second one has to lack too. */
const CONFIRM_AFTER_MS = 1_000;
const FIRST_RETRY_MS = 1_000;
/** How long keys count while their issuer cannot be reached. */
const MAX_STALE_MS = 6 * 3_600_000;

/**
 * An issuer's keys as its JWKS shows them. A key is gone after two answers without it, so that one bad answer of a cache
 * on the way ends nobody's session. While the issuer cannot be reached the keys go on serving, for a bounded time.
 */
export class JwksSource {
  readonly #options: JwksSourceOptions;
  #ring: KeyRing | undefined;
  /** Thumbprints that the last answer lacked. */
  #missing: ReadonlySet<string> = new Set();
  #fetching: Promise<void> | undefined;
  #lookedAtMs = -Infinity;
  #answeredAtMs = -Infinity;
  #failures = 0;
  #problem: string | undefined;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: JwksSourceOptions) {
    this.#options = options;
    void this.#refresh();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** What is wrong with it now, in words. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Undefined: there never were any, or they are too old. */
  get ring(): KeyRing | undefined {
    const isStale = this.#options.clock.nowMs() - this.#answeredAtMs > MAX_STALE_MS;
    return isStale ? undefined : this.#ring;
  }

  /** Resolves when there is news, or none is to be had: for a JWT whose key is not known. */
  async lookAgain(): Promise<void> {
    if (this.#fetching) return this.#fetching;
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#lookedAtMs < MIN_INTERVAL_MS) return;
    this.#lookedAtMs = nowMs;
    return this.#refresh();
  }

  #refresh(): Promise<void> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined;
      this.#refreshLater();
    });
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    const { uri, fetchJson, logger } = this.#options;
    try {
      this.#take(parseJwks(await fetchJson(uri)));
    } catch (error) {
      this.#failures++;
      this.#problem = error instanceof Error ? error.message : String(error);
      logger.warn(
        { jwksUri: uri, problem: this.#problem },
        "the keys of an OAuth provider could not be read",
      );
    }
  }

  #take(found: readonly PublicKey[]): void {
    if (this.#isStopped) return;
    const { clock, onGone, logger, uri } = this.#options;
    if (this.#problem !== undefined)
      logger.info({ jwksUri: uri }, "the keys of an OAuth provider can be read again");
    this.#answeredAtMs = clock.nowMs();
    this.#failures = 0;
    this.#problem = undefined;
    const isFirst = this.#ring === undefined;
    const known = this.#ring?.keys ?? [];
    const isFound = (key: PublicKey): boolean =>
      found.some(({ thumbprint }) => thumbprint === key.thumbprint);
    const lacking = known.filter((key) => !isFound(key));
    const kept = lacking.filter(({ thumbprint }) => !this.#missing.has(thumbprint));
    this.#missing = new Set(kept.map(({ thumbprint }) => thumbprint));
    // What the answer holds comes first: a name that was given to another key stands for that one.
    this.#ring = new KeyRing([...found, ...kept]);
    const gone = lacking.length - kept.length;
    if (gone > 0) logger.info({ jwksUri: uri, gone }, "keys have left the JWKS of an OAuth provider");
    if (gone > 0 || isFirst) onGone();
  }

  #refreshLater(): void {
    if (this.#isStopped) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(this.#delayMs(), () => void this.#refresh());
  }

  #delayMs(): number {
    const intervalMs = this.#options.refreshIntervalS * 1_000;
    if (this.#failures > 0) return Math.min(FIRST_RETRY_MS * 2 ** (this.#failures - 1), intervalMs);
    return this.#missing.size > 0 ? CONFIRM_AFTER_MS : intervalMs;
  }
}
