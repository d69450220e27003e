import type { Delivery } from "../routing/delivery.ts";
import type { SharedOrigin } from "../routing/subscription.ts";
import type { Seq } from "../ports/engine.ts";
import type { Message } from "../ports/message.ts";
import { HeldBytes } from "./held-bytes.ts";

/**
 * `saving`: QoS 2 (or behind one), the engine has not yet promised to remember it. `sent`: PUBLISH went out. `releasing`: PUBREC came,
 * the engine has not yet promised to remember that. `released`: PUBREL went out.
 */
export type InFlightState = "saving" | "sent" | "releasing" | "released";

/** A message of QoS 1 or 2 on its way to a client, from the choice of its packet id to the last acknowledgement. */
export interface InFlightEntry {
  readonly packetId: number;
  readonly qos: 1 | 2;
  state: InFlightState;
  /** Undefined after a restart until it was read from the log, and once it is released. See `setMessage`. */
  readonly message: Message | undefined;
  /** Its place in the log; undefined for what came directly. */
  readonly seq: Seq | undefined;
  readonly retain: boolean;
  readonly identifiers: Delivery["identifiers"];
  /** It says its position. */
  readonly hasPosition: boolean;
  /** Where it goes back to, if it came through a share group. */
  readonly origin: SharedOrigin | undefined;
  /** It counts against the client's Receive Maximum on the present connection. */
  isOutstanding: boolean;
}

/**
 * The messages in flight of one session, found by packet id in a ring: ids are given out in order and mostly come back
 * in order, so that the slot of an id is nearly always free when its turn comes again.
 */
export class InFlight {
  #slots: (InFlightEntry | undefined)[] = [];
  #lastId = 0;
  #count = 0;
  readonly #held = new HeldBytes();

  get count(): number {
    return this.#count;
  }

  /** What the messages cost in memory. */
  get heldBytes(): number {
    return this.#held.total;
  }

  /** Gives an entry its message, or takes it away. */
  setMessage(entry: InFlightEntry, message: Message | undefined): void {
    if (entry.message) this.#held.release(entry.message);
    if (message) this.#held.hold(message);
    (entry as { message: Message | undefined }).message = message;
  }

  /** The next unused packet id: 1 first, then upwards, then around [MQTT-2.2.1-4]. Undefined: all 65,535 are in use. */
  nextId(): number | undefined {
    if (this.#count >= 65_535) return undefined;
    if (this.#count * 2 >= this.#slots.length) this.#grow();
    for (;;) {
      this.#lastId = this.#lastId === 65_535 ? 1 : this.#lastId + 1;
      if (!this.#slots[this.#lastId & (this.#slots.length - 1)]) return this.#lastId;
    }
  }

  /** Adds an entry under an id of `nextId`, or (recovery) under the one that it had. */
  add(entry: InFlightEntry): void {
    while (this.#slots.length === 0 || this.#slots[entry.packetId & (this.#slots.length - 1)]) this.#grow();
    this.#slots[entry.packetId & (this.#slots.length - 1)] = entry;
    this.#count += 1;
    if (entry.message) this.#held.hold(entry.message);
  }

  get(packetId: number): InFlightEntry | undefined {
    const entry = this.#slots[packetId & (this.#slots.length - 1)];
    return entry?.packetId === packetId ? entry : undefined;
  }

  delete(packetId: number): void {
    const entry = this.get(packetId);
    if (!entry) return;
    if (entry.message) this.#held.release(entry.message);
    this.#slots[packetId & (this.#slots.length - 1)] = undefined;
    this.#count -= 1;
  }

  /** In the order in which they were sent, as far as ids tell: from the oldest id around to the newest. */
  inOrder(): InFlightEntry[] {
    const entries = this.#slots.filter((entry) => entry !== undefined);
    const age = (entry: InFlightEntry): number => (entry.packetId - this.#lastId - 1 + 131_070) % 65_535;
    return entries.sort((a, b) => age(a) - age(b));
  }

  /** Recovery: ids go on after the newest that was saved. */
  continueAfter(packetId: number): void {
    this.#lastId = packetId;
  }

  get lastId(): number {
    return this.#lastId;
  }

  #grow(): void {
    const entries = this.#slots.filter((entry) => entry !== undefined);
    let size = Math.max(16, this.#slots.length * 2);
    while (!fits(entries, size)) size *= 2;
    this.#slots = Array.from({ length: size });
    for (const entry of entries) this.#slots[entry.packetId & (size - 1)] = entry;
  }
}

/** At 65,536 slots every id has one of its own. */
function fits(entries: readonly InFlightEntry[], size: number): boolean {
  return new Set(entries.map((entry) => entry.packetId & (size - 1))).size === entries.length;
}
