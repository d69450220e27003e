import {
  type PrincipalLimits,
  principalLimitNames,
  type QueuePolicy,
} from "../core/access/principal-limits.ts";

/** Limits as REST and configuration spell them; the types of the members were checked. */
export interface LimitsDeclaration {
  readonly connections?: number;
  readonly publishRate?: number;
  readonly publishBytesRate?: number;
  readonly subscriptions?: number;
  readonly queuedMessages?: number;
  readonly queuedBytes?: number;
  /** Seconds. */
  readonly queuedAge?: number;
  readonly queuePolicy?: QueuePolicy;
  /** Seconds. */
  readonly sessionExpiry?: number;
}

/** In the core's words. */
export function parseLimits({ sessionExpiry, queuedAge, ...others }: LimitsDeclaration): PrincipalLimits {
  const given: PrincipalLimits = {
    ...others,
    ...(sessionExpiry !== undefined && { sessionExpiryS: sessionExpiry }),
    ...(queuedAge !== undefined && { queuedAgeS: queuedAge }),
  };
  const names = [...principalLimitNames, "queuePolicy"] as const;
  const known = names.filter((name) => given[name] !== undefined);
  return Object.fromEntries(known.map((name) => [name, given[name]]));
}

/** The counterpart of {@link parseLimits}. */
export function declareLimits({ sessionExpiryS, queuedAgeS, ...others }: PrincipalLimits): LimitsDeclaration {
  return {
    ...others,
    ...(sessionExpiryS !== undefined && { sessionExpiry: sessionExpiryS }),
    ...(queuedAgeS !== undefined && { queuedAge: queuedAgeS }),
  };
}
