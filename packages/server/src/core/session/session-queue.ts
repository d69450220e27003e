import type { PrincipalLimits } from "../access/principal-limits.ts";
import type { LimitName } from "../ports/telemetry.ts";
import type { QueueBound, QueueBounds } from "../routing/queue-bounds.ts";
import type { Limits } from "./limits.ts";

type QueueLimits = Pick<Limits, "queuedMessages" | "queuedBytes" | "queuedAgeS" | "queuePolicy">;

/** What may wait in the log for a session: what the broker allows, or its principal where that is less. */
export function queueBoundsOf(limits: QueueLimits, own: PrincipalLimits = {}): QueueBounds {
  return {
    messages: Math.min(limits.queuedMessages, own.queuedMessages ?? Infinity),
    bytes: Math.min(limits.queuedBytes, own.queuedBytes ?? Infinity),
    ageMs: Math.min(limits.queuedAgeS, own.queuedAgeS ?? Infinity) * 1_000,
    policy: own.queuePolicy ?? limits.queuePolicy,
  };
}

/** What may wait in memory for a session that does not persist. */
export function directBoundsOf(limits: Limits, own?: PrincipalLimits): QueueBounds {
  const { directQueuedMessages: queuedMessages, directQueuedBytes: queuedBytes } = limits;
  return queueBoundsOf({ ...limits, queuedMessages, queuedBytes }, own);
}

/** Under which name a bound is counted. */
export const queueLimitNames: Readonly<Record<QueueBound, LimitName>> = {
  messages: "limits.queuedMessages",
  bytes: "limits.queuedBytes",
  age: "limits.queuedAgeS",
};

export const directLimitNames: Readonly<Record<QueueBound, LimitName>> = {
  messages: "limits.directQueuedMessages",
  bytes: "limits.directQueuedBytes",
  age: "limits.queuedAgeS",
};
