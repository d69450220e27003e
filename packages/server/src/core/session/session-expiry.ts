import type { Principal } from "../access/principal.ts";
import type { Limits } from "./limits.ts";

/** Seconds that a session may outlive its connection: what is asked for, the broker's bound, or its principal's. */
export function boundedExpiryS(askedS: number, limits: Limits, principal: Principal): number {
  return Math.min(askedS, limits.maxSessionExpiryS, principal.limits?.sessionExpiryS ?? Infinity);
}
