import { parseIpAddress } from "../core/access/ip-network.ts";
import type { Clock } from "../core/ports/clock.ts";

export interface LoginFailuresOptions {
  readonly clock: Clock;
  /** How many a minute of one address are answered at once. */
  readonly freeFailures: number;
  /** One is answered later. */
  readonly slowed: () => void;
}

interface Failures {
  count: number;
  /** Until then no further failure is answered. */
  busyUntilMs: number;
  readonly sinceMs: number;
}

/** A while in which so many failures of an address are answered at once. */
const WINDOW_MS = 60_000;
const FIRST_DELAY_MS = 100;
const MAX_SPACING_MS = 1_000;
/** Shorter than a client may take to connect: a refusal is still told. */
const MAX_DELAY_MS = 3_000;
const MAX_ADDRESSES = 10_000;
/** A machine has all addresses of an IPv6 network of this length. */
const IPV6_HOST_BITS = 64n;

/**
 * Slows down who guesses: the answers to failures of one address come one after the other, further and further apart.
 * A valid credential is not looked at here, so nobody is kept out by what others do from the same address.
 */
export class LoginFailures {
  readonly #options: LoginFailuresOptions;
  readonly #byNetwork = new Map<string, Failures>();

  constructor(options: LoginFailuresOptions) {
    this.#options = options;
  }

  /** Notes a failure. Resolves when it is time to answer it. */
  async slow(address: string): Promise<void> {
    const delayMs = this.#delayMs(address);
    if (delayMs > 0) await new Promise<void>((resolve) => this.#options.clock.after(delayMs, resolve));
  }

  #delayMs(address: string): number {
    const { clock, freeFailures, slowed } = this.#options;
    const nowMs = clock.nowMs();
    const failures = this.#failuresOf(networkOf(address), nowMs);
    const beyond = ++failures.count - freeFailures;
    if (beyond <= 0) return 0;
    slowed();
    const spacingMs = Math.min(FIRST_DELAY_MS * 2 ** Math.min(beyond, 10), MAX_SPACING_MS);
    failures.busyUntilMs = Math.min(Math.max(failures.busyUntilMs, nowMs) + spacingMs, nowMs + MAX_DELAY_MS);
    return failures.busyUntilMs - nowMs;
  }

  #failuresOf(network: string, nowMs: number): Failures {
    const known = this.#byNetwork.get(network);
    if (known && nowMs - known.sinceMs < WINDOW_MS) return known;
    const failures = { count: 0, busyUntilMs: 0, sinceMs: nowMs };
    this.#byNetwork.delete(network);
    if (this.#byNetwork.size >= MAX_ADDRESSES) {
      const [oldest = ""] = this.#byNetwork.keys();
      this.#byNetwork.delete(oldest);
    }
    this.#byNetwork.set(network, failures);
    return failures;
  }
}

function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const bits = parseIpAddress(address);
  return bits === undefined ? address : (bits >> IPV6_HOST_BITS).toString(16);
}
