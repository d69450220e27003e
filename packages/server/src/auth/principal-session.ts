import type { Principal, PrincipalEnd } from "../core/access/principal.ts";

/** What live changes need of a session. */
export interface PrincipalSession {
  readonly principal: Principal;
  /** After `principal.policy` was replaced: the effective filters follow. */
  policyChanged(): void;
  /** After `principal.limits` was replaced. */
  limitsChanged(): void;
  /** After `principal.endsAtMs` was replaced. */
  endChanged(): void;
  endPrincipal(why: PrincipalEnd): void;
}
