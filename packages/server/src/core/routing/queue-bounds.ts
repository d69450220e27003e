import type { QueuePolicy } from "../access/principal-limits.ts";
import type { Seq } from "../ports/engine.ts";
import type { Backlog } from "./backlog.ts";
import type { QueueSize } from "./outbox-chunk.ts";

/** What may wait for one session, or share group. */
export interface QueueBounds {
  readonly messages: number;
  /** Payloads and properties. */
  readonly bytes: number;
  readonly ageMs: number;
  readonly policy: QueuePolicy;
}

export type QueueBound = "messages" | "bytes" | "age";

/** Which bound was reached, and what went for it; without one, more of what an earlier cut let go. */
export interface QueueCut {
  readonly bound: QueueBound | undefined;
  /** Nothing has gone: the policy is to disconnect. */
  readonly isOver: boolean;
  /** Dropped because it was too old. */
  readonly old: QueueSize;
  /** Dropped because there was too much. */
  readonly excess: QueueSize;
}

/**
 * Keeps what waits within its bounds; undefined: it is. What is too old goes whatever the policy, unless that is to
 * disconnect.
 *
 * @param tooOld the last record older than `ageMs`
 * @param tail the last record that was noted
 */
export function cutQueue(
  backlog: Backlog,
  bounds: QueueBounds,
  tooOld: Seq,
  tail: Seq,
): QueueCut | undefined {
  const size = backlog.size();
  const replaced = backlog.takeReplaced();
  const young = tooOld > backlog.cursor.takenUpTo ? backlog.sizeAfter(tooOld) : size;
  const bound = reached(size, young, bounds);
  if (bound === undefined && replaced.messages === 0) return undefined;
  const none = { messages: 0, bytes: 0 };
  if (bound === undefined) return { bound, isOver: false, old: none, excess: replaced };
  if (bounds.policy === "disconnect") return { bound, isOver: true, old: none, excess: none };
  const old = backlog.dropUpTo(tooOld);
  const excess = isWithin(backlog.size(), bounds) ? none : cutExcess(backlog, bounds, tail);
  return { bound, isOver: false, old, excess: sum(excess, replaced) };
}

function reached(size: QueueSize, young: QueueSize, bounds: QueueBounds): QueueBound | undefined {
  if (size.messages > bounds.messages) return "messages";
  if (size.bytes > bounds.bytes) return "bytes";
  return young.messages < size.messages ? "age" : undefined;
}

function cutExcess(backlog: Backlog, bounds: QueueBounds, tail: Seq): QueueSize {
  const { cursor } = backlog;
  // Of what one policy has dropped nothing is known to another: until the queue is empty the oldest go
  if (bounds.policy === "drop-newest" && cursor.replacedUpTo <= cursor.takenUpTo)
    return backlog.dropBeyond(bounds, tail);
  const isLatest = bounds.policy === "latest-per-topic" && cursor.gaps.length === 0;
  const replaced = isLatest ? backlog.dropReplaced(tail) : { messages: 0, bytes: 0 };
  return sum(replaced, backlog.dropOldest(bounds, tail));
}

export function isWithin(size: QueueSize, bounds: QueueBounds): boolean {
  return size.messages <= bounds.messages && size.bytes <= bounds.bytes;
}

function sum(a: QueueSize, b: QueueSize): QueueSize {
  return { messages: a.messages + b.messages, bytes: a.bytes + b.bytes };
}
