/** What becomes of a queue that has reached one of its bounds. */
export const queuePolicies = ["drop-oldest", "drop-newest", "latest-per-topic", "disconnect"] as const;

export type QueuePolicy = (typeof queuePolicies)[number];

/** What a principal may use at most; what is absent is bounded by the broker's own limits alone. */
export interface PrincipalLimits {
  /** Open at once, of all that hold the same token or of the same identity by a provider. */
  readonly connections?: number;
  /** Messages a second. */
  readonly publishRate?: number;
  /** Payload bytes a second. */
  readonly publishBytesRate?: number;
  /** A session. */
  readonly subscriptions?: number;
  /** Waiting for one session. */
  readonly queuedMessages?: number;
  readonly queuedBytes?: number;
  /** Seconds that a message may wait for a session. */
  readonly queuedAgeS?: number;
  /** No bound: what becomes of the queue at its bounds. */
  readonly queuePolicy?: QueuePolicy;
  /** Seconds that a session may outlive its connection. */
  readonly sessionExpiryS?: number;
}

type NumberLimit = Exclude<keyof PrincipalLimits, "queuePolicy">;

/** Of those that are numbers. */
export const principalLimitNames: readonly NumberLimit[] = [
  "connections",
  "publishRate",
  "publishBytesRate",
  "subscriptions",
  "queuedMessages",
  "queuedBytes",
  "queuedAgeS",
  "sessionExpiryS",
];

/** The lowest of each: a token's own, its groups', its tenant's; of the queue policies the first that there is. */
export function lowestLimits(all: readonly PrincipalLimits[]): PrincipalLimits {
  const limits: { -readonly [name in keyof PrincipalLimits]: PrincipalLimits[name] } = {};
  for (const name of principalLimitNames) {
    const lowest = Math.min(...all.map((one) => one[name] ?? Infinity));
    if (lowest !== Infinity) limits[name] = lowest;
  }
  const queuePolicy = all.find((one) => one.queuePolicy !== undefined)?.queuePolicy;
  if (queuePolicy !== undefined) limits.queuePolicy = queuePolicy;
  return limits;
}
