/** How much may be saved up: so many milliseconds' worth. */
const burstMs = 1_000;

/** Lets through so much a second, and in bursts of what a second has. */
export class TokenBucket {
  #ratePerS: number;
  #balance: number;
  #refilledAtMs: number;

  /** Full. */
  constructor(ratePerS: number, nowMs: number) {
    this.#ratePerS = ratePerS;
    this.#balance = this.#capacity;
    this.#refilledAtMs = nowMs;
  }

  /** Another rate from now on; what is owed is still owed. */
  setRate(ratePerS: number): void {
    if (ratePerS === this.#ratePerS) return;
    this.#ratePerS = ratePerS;
    this.#balance = Math.min(this.#balance, this.#capacity);
  }

  isFull(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#balance === this.#capacity;
  }

  /** Milliseconds until something may pass; 0: it may now, however much it is. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    return this.#balance >= 1 ? 0 : ((1 - this.#balance) / this.#ratePerS) * 1_000;
  }

  /** What has passed. It may be more than there was: then the next has to wait for longer. */
  spend(amount: number): void {
    this.#balance -= amount;
  }

  #refill(nowMs: number): void {
    const grown = this.#balance + ((nowMs - this.#refilledAtMs) / 1_000) * this.#ratePerS;
    this.#balance = Math.min(grown, this.#capacity);
    this.#refilledAtMs = nowMs;
  }

  get #capacity(): number {
    return this.#ratePerS === 0 ? 0 : Math.max(1, (this.#ratePerS * burstMs) / 1_000);
  }
}
