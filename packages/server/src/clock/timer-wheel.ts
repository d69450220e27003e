import type { Timer } from "../core/ports/clock.ts";

/** A place in a circular list; the sentinel of a list links to itself while the list is empty. */
class WheelNode implements Timer {
  previous: WheelNode = this;
  next: WheelNode = this;
  tick = 0;
  callback: (() => void) | undefined;
  wheel: TimerWheel | undefined;

  cancel(): void {
    this.wheel?.forget(this);
  }
}

/**
 * All timers of the process in one hashed wheel: adding and cancelling cost the same however many there are, and a tick
 * costs its slot. Timers fire at the first tick at or after their time, those of one tick in the order in which they
 * were added. Pure: time is what `advance` says.
 *
 * @example
 * const wheel = new TimerWheel({ startMs: 0 });
 * wheel.after(0, 250, () => console.log("three ticks of 100 ms later"));
 * wheel.advance(300);
 */
export class TimerWheel {
  readonly #tickMs: number;
  readonly #startMs: number;
  readonly #mask: number;
  readonly #slots: WheelNode[];
  /** Due and not called yet; outlives an `advance` only when a callback throws. */
  readonly #due = new WheelNode();
  #tick = 0;
  #size = 0;

  /** `slots` is a power of two; a timer beyond `slots` ticks is looked at once a round. */
  constructor(options: { readonly startMs: number; readonly tickMs?: number; readonly slots?: number }) {
    const slots = options.slots ?? 1_024;
    if (slots < 1 || (slots & (slots - 1)) !== 0)
      throw new RangeError(`slots must be a power of two, not ${slots}`);
    this.#startMs = options.startMs;
    this.#tickMs = options.tickMs ?? 100;
    this.#mask = slots - 1;
    this.#slots = Array.from({ length: slots }, () => new WheelNode());
  }

  /** Timers that will still fire. */
  get size(): number {
    return this.#size;
  }

  /** Fires once, at the first tick that is not earlier than `nowMs + delayMs`. An infinite delay never fires. */
  after(nowMs: number, delayMs: number, callback: () => void): Timer {
    const node = new WheelNode();
    const dueMs = nowMs + (delayMs > 0 ? delayMs : 0) - this.#startMs;
    if (dueMs === Infinity) return node;
    node.tick = Math.max(Math.ceil(dueMs / this.#tickMs), this.#tick + 1);
    node.callback = callback;
    node.wheel = this;
    this.#size += 1;
    append(this.#slots[node.tick & this.#mask]!, node);
    return node;
  }

  /** Fires what is due at `nowMs`, tick by tick. A callback that throws ends the call; the rest fires at the next. */
  advance(nowMs: number): void {
    this.#fire();
    const target = Math.floor((nowMs - this.#startMs) / this.#tickMs);
    while (this.#tick < target) {
      if (this.#size === 0) {
        this.#tick = target;
        return;
      }
      this.#tick += 1;
      this.#collect();
      this.#fire();
    }
  }

  /** For `Timer.cancel`. */
  forget(node: WheelNode): void {
    unlink(node);
    node.wheel = undefined;
    node.callback = undefined;
    this.#size -= 1;
  }

  #collect(): void {
    const slot = this.#slots[this.#tick & this.#mask]!;
    let node = slot.next;
    while (node !== slot) {
      const next = node.next;
      if (node.tick <= this.#tick) {
        unlink(node);
        append(this.#due, node);
      }
      node = next;
    }
  }

  #fire(): void {
    const due = this.#due;
    while (due.next !== due) {
      const node = due.next;
      const callback = node.callback;
      this.forget(node);
      callback?.();
    }
  }
}

function append(list: WheelNode, node: WheelNode): void {
  node.previous = list.previous;
  node.next = list;
  list.previous.next = node;
  list.previous = node;
}

function unlink(node: WheelNode): void {
  node.previous.next = node.next;
  node.next.previous = node.previous;
  node.previous = node;
  node.next = node;
}
