import type { Counters, LimitName } from "../core/ports/telemetry.ts";

export interface HandshakesOptions {
  readonly counters: Counters;
  readonly maxHandshakes: number;
  readonly maxHandshakeBytes: number;
}

/** A connection whose CONNECT has not come whole. */
export interface Handshaking {
  /** What it has sent so far. */
  readonly receivedBytes: number;
  /** It has to make room for others. */
  evict(): void;
}

/**
 * The connections from which no whole CONNECT has come: whoever opens many and says nothing, or never ends, is bounded
 * in number and in bytes. The oldest make room, since a client that means it is through in a moment.
 */
export class Handshakes {
  readonly #options: HandshakesOptions;
  /** The oldest first. */
  readonly #open = new Set<Handshaking>();
  #bytes = 0;

  constructor(options: HandshakesOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#open.size;
  }

  begin(one: Handshaking): void {
    this.#open.add(one);
    if (this.#open.size > this.#options.maxHandshakes) this.#evictOldest("limits.maxHandshakes");
  }

  /** So many bytes came, which `receivedBytes` counts already. */
  received(bytes: number): void {
    this.#bytes += bytes;
    while (this.#bytes > this.#options.maxHandshakeBytes && this.#open.size > 0) {
      this.#evictOldest("limits.maxHandshakeBytes");
    }
  }

  /** Its CONNECT is there, or never will be. Harmless when it was said before. */
  end(one: Handshaking): void {
    if (this.#open.delete(one)) this.#bytes -= one.receivedBytes;
  }

  #evictOldest(limit: LimitName): void {
    for (const oldest of this.#open) {
      this.end(oldest);
      this.#options.counters.limitReached[limit] += 1;
      this.#options.counters.connectionsRefused += 1;
      oldest.evict();
      return;
    }
  }
}
