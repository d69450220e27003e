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
  /** Seconds that a session may outlive its connection. */
  readonly sessionExpiryS?: number;
}

export const principalLimitNames: readonly (keyof PrincipalLimits)[] = [
  "connections",
  "publishRate",
  "publishBytesRate",
  "subscriptions",
  "queuedMessages",
  "queuedBytes",
  "sessionExpiryS",
];

/** The lowest of each: a token's own, its groups', its tenant's. */
export function lowestLimits(all: readonly PrincipalLimits[]): PrincipalLimits {
  const limits: { -readonly [name in keyof PrincipalLimits]: PrincipalLimits[name] } = {};
  for (const name of principalLimitNames) {
    const lowest = Math.min(...all.map((one) => one[name] ?? Infinity));
    if (lowest !== Infinity) limits[name] = lowest;
  }
  return limits;
}
