import type { Message } from "../ports/message.ts";

const minuteMs = 60_000;

/** Finds the retained messages that have expired without looking at the others. */
export class ExpiryCalendar {
  readonly #byMinute = new Map<number, Set<Message>>();
  #lookedAt = -Infinity;

  add(message: Message): void {
    if (message.expiresAtMs === Infinity) return;
    const minute = minuteOf(message);
    const together = this.#byMinute.get(minute);
    if (together) together.add(message);
    else this.#byMinute.set(minute, new Set([message]));
  }

  delete(message: Message): void {
    const minute = minuteOf(message);
    const together = this.#byMinute.get(minute);
    if (together?.delete(message) && together.size === 0) this.#byMinute.delete(minute);
  }

  /** The messages whose minute is over: each has expired. Looks once a minute at most; they stay until `delete`. */
  due(nowMs: number): Message[] {
    const present = Math.floor(nowMs / minuteMs);
    const due: Message[] = [];
    if (present <= this.#lookedAt) return due;
    this.#lookedAt = present;
    for (const [minute, together] of this.#byMinute) {
      if (minute < present) for (const message of together) due.push(message);
    }
    return due;
  }
}

function minuteOf({ expiresAtMs }: Message): number {
  return Math.floor(expiresAtMs / minuteMs);
}
