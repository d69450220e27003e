import type { Principal } from "../access/principal.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { ClientTopic } from "./client-topics.ts";
import { formatUtc } from "./utc-time.ts";

/** How long before the end a client is told of it. */
const WARNINGS_MS = [60_000, 10_000];

interface Told {
  readonly principal: Principal;
  readonly isConnected: boolean;
  readonly subscriptions: { wants(topic: ClientTopic): boolean };
  tell(topic: ClientTopic, content: Readonly<Record<string, unknown>>): void;
}

/** Tells a client on `$client/expiring` that its principal will end: a minute and ten seconds before. */
export class ExpiryNotice {
  readonly #told: Told;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  /** The end that was told of, and the shortest warning that it has had. */
  #last: { readonly endsAtMs: number; readonly warningMs: number } | undefined;

  constructor(told: Told, clock: Clock) {
    this.#told = told;
    this.#clock = clock;
  }

  /** Call when the end has changed, the client has subscribed, or its connection has come: what is due is told now. */
  plan(): void {
    this.stop();
    const { endsAtMs } = this.#told.principal;
    if (endsAtMs === Infinity || !this.#told.isConnected) return;
    if (!this.#told.subscriptions.wants("$client/expiring")) return;
    const leftMs = endsAtMs - this.#clock.nowMs();
    if (leftMs <= 0) return;
    this.#warn(endsAtMs, leftMs);
    const next = WARNINGS_MS.find((warningMs) => warningMs < leftMs);
    if (next !== undefined) this.#timer = this.#clock.after(leftMs - next, () => this.plan());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #warn(endsAtMs: number, leftMs: number): void {
    const warningMs = WARNINGS_MS.findLast((warning) => leftMs <= warning);
    const isTold = this.#last?.endsAtMs === endsAtMs && this.#last.warningMs <= (warningMs ?? Infinity);
    if (warningMs === undefined || isTold) return;
    this.#last = { endsAtMs, warningMs };
    this.#told.tell("$client/expiring", {
      expiresAt: formatUtc(endsAtMs),
      expiresInS: Math.ceil(leftMs / 1_000),
    });
  }
}
