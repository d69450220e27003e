import type { Clock } from "../ports/clock.ts";
import type { DropReason } from "../ports/telemetry.ts";
import type { ClientTopic } from "./client-topics.ts";

/** How long drops are gathered before the client is told of them. */
const gatherMs = 1_000;

interface Told {
  tell(topic: ClientTopic, content: Readonly<Record<string, unknown>>): void;
  readonly subscriptions: { wants(topic: ClientTopic): boolean };
}

/** Tells a client what was dropped, on `$client/dropped`: gathered, so that a flood of drops is no flood of notices. */
export class DropNotice {
  readonly #told: Told;
  readonly #clock: Clock;
  #gathered: Map<DropReason, { count: number; bytes: number }> | undefined;

  constructor(told: Told, clock: Clock) {
    this.#told = told;
    this.#clock = clock;
  }

  add(reason: DropReason, count: number, bytes: number): void {
    if (!this.#told.subscriptions.wants("$client/dropped")) return;
    if (!this.#gathered) {
      this.#gathered = new Map();
      this.#clock.after(gatherMs, () => this.#send());
    }
    const sum = this.#gathered.get(reason) ?? { count: 0, bytes: 0 };
    this.#gathered.set(reason, { count: sum.count + count, bytes: sum.bytes + bytes });
  }

  #send(): void {
    const gathered = this.#gathered ?? new Map<DropReason, { count: number; bytes: number }>();
    this.#gathered = undefined;
    for (const [reason, { count, bytes }] of gathered)
      this.#told.tell("$client/dropped", { count, bytes, reason });
  }
}
