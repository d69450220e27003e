import type { Clock } from "../ports/clock.ts";
import type { DropReason } from "../ports/telemetry.ts";
import type { ClientTopic } from "./client-topics.ts";

/** How long drops are gathered before the client is told of them. */
const gatherMs = 1_000;

interface Told {
  /** False: it could not be sent now. */
  tell(topic: ClientTopic, content: Readonly<Record<string, unknown>>): boolean;
  readonly isConnected: boolean;
  readonly subscriptions: { wants(topic: ClientTopic): boolean };
}

/** What was dropped for one reason, and not told yet. */
export interface UntoldDrops {
  readonly reason: DropReason;
  readonly count: number;
  readonly bytes: number;
}

/**
 * Tells a client what was dropped, on `$client/dropped`: gathered, so that a flood of drops is no flood of notices, and
 * kept while it is away.
 */
export class DropNotice {
  readonly #told: Told;
  readonly #clock: Clock;
  readonly #untold = new Map<DropReason, UntoldDrops>();
  #isWaiting = false;

  constructor(told: Told, clock: Clock) {
    this.#told = told;
    this.#clock = clock;
  }

  get untold(): readonly UntoldDrops[] {
    return [...this.#untold.values()];
  }

  add(reason: DropReason, count: number, bytes: number): void {
    if (this.#told.isConnected && !this.#told.subscriptions.wants("$client/dropped")) return;
    const sum = this.#untold.get(reason) ?? { count: 0, bytes: 0 };
    this.#untold.set(reason, { reason, count: sum.count + count, bytes: sum.bytes + bytes });
    this.sendSoon();
  }

  /** The client is there: it has so long to subscribe to what it has missed. */
  sendSoon(): void {
    if (this.#isWaiting || this.#untold.size === 0 || !this.#told.isConnected) return;
    this.#isWaiting = true;
    this.#clock.after(gatherMs, () => {
      this.#isWaiting = false;
      this.#send();
    });
  }

  #send(): void {
    if (!this.#told.isConnected) return;
    const isWanted = this.#told.subscriptions.wants("$client/dropped");
    for (const { reason, count, bytes } of this.untold) {
      const isDone = !isWanted || this.#told.tell("$client/dropped", { count, bytes, reason });
      if (isDone) this.#untold.delete(reason);
    }
    this.sendSoon(); // what there was no room for
  }
}
