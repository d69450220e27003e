import { LRUCache } from "lru-cache";

const FAILURES_ALLOWED = 5;
const WINDOW_MS = 60_000;
const MAX_REMEMBERED = 10_000;

/** Slows the guessing of a password: five failures a minute for an address and account, on each instance. */
export class LoginThrottle {
  readonly #failures = new LRUCache<string, number>({ max: MAX_REMEMBERED, ttl: WINDOW_MS });

  isBlocked(address: string, email: string): boolean {
    return (this.#failures.get(keyOf(address, email)) ?? 0) >= FAILURES_ALLOWED;
  }

  failed(address: string, email: string): void {
    const key = keyOf(address, email);
    this.#failures.set(key, (this.#failures.get(key) ?? 0) + 1);
  }
}

function keyOf(address: string, email: string): string {
  return `${address} ${email.toLowerCase()}`;
}
