import type { Seq } from "../core/ports/engine.ts";

/**
 * The places of the ids of late, in two generations: an id is remembered for at least `keptMs` and at most twice as
 * long, but for fewer where more than `maxIds` come in that time.
 */
export class AppendIds {
  readonly #keptMs: number;
  readonly #maxIds: number;
  #current = new Map<string, Seq>();
  #previous = new Map<string, Seq>();
  #sinceMs = -Infinity;

  constructor(options: { readonly keptMs: number; readonly maxIds: number }) {
    this.#keptMs = options.keptMs;
    this.#maxIds = options.maxIds;
  }

  get(id: string): Seq | undefined {
    return this.#current.get(id) ?? this.#previous.get(id);
  }

  set(id: string, seq: Seq, nowMs: number): void {
    if (nowMs - this.#sinceMs >= this.#keptMs || this.#current.size * 2 >= this.#maxIds) this.#turn(nowMs);
    this.#current.set(id, seq);
  }

  /** For an append that never came to be. */
  delete(id: string): void {
    this.#current.delete(id);
    this.#previous.delete(id);
  }

  #turn(nowMs: number): void {
    this.#previous = nowMs - this.#sinceMs >= 2 * this.#keptMs ? new Map<string, Seq>() : this.#current;
    this.#current = new Map<string, Seq>();
    this.#sinceMs = nowMs;
  }
}
