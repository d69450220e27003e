import type { Subscription } from "../../core/ports/engine.ts";
import { notify } from "./notification.ts";

/** Callbacks in the order in which they were added. None is called after its `stop`. */
export class ListenerSet<Arguments extends readonly unknown[]> {
  readonly #listeners = new Set<(...values: Arguments) => void>();

  add(callback: (...values: Arguments) => void): Subscription {
    const listener = (...values: Arguments): void => callback(...values);
    this.#listeners.add(listener);
    return { stop: () => void this.#listeners.delete(listener) };
  }

  call(...values: Arguments): void {
    for (const listener of this.#listeners) notify(() => listener(...values), undefined);
  }

  clear(): void {
    this.#listeners.clear();
  }
}
