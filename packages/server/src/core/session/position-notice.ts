import type { Clock, Timer } from "../ports/clock.ts";
import type { Seq } from "../ports/engine.ts";
import type { ClientTopic } from "./client-topics.ts";

/** A client hears at least this often how far the log has moved. */
const intervalMs = 30_000;
/** While a message waits for its save, what is told could overtake it. */
const retryMs = 1_000;

interface Told {
  readonly isConnected: boolean;
  /** Everything up to here has been sent; undefined: nobody asks for positions, or it cannot be said now. */
  readonly sentUpTo: Seq | undefined;
  readonly wantsPositions: boolean;
  readonly router: { readonly positions: { encode(seq: Seq): string } };
  tell(topic: ClientTopic, content: Readonly<Record<string, unknown>>): boolean;
}

/**
 * Tells a client that asks for positions how far the log has moved, on `$client/position`: on a quiet topic it would
 * otherwise begin its next replay far back (semantics.md §2.10).
 */
export class PositionNotice {
  readonly #told: Told;
  readonly #clock: Clock;
  #timer: Timer | undefined;

  constructor(told: Told, clock: Clock) {
    this.#told = told;
    this.#clock = clock;
  }

  /** Tells at once, and from then on as long as it is asked for. Call it whenever that may have begun. */
  start(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (!this.#told.isConnected || !this.#told.wantsPositions) return;
    const { sentUpTo } = this.#told;
    const position = sentUpTo === undefined ? undefined : this.#told.router.positions.encode(sentUpTo);
    const isTold = position !== undefined && this.#told.tell("$client/position", { position });
    this.#timer = this.#clock.after(isTold ? intervalMs : retryMs, () => this.start());
  }
}
