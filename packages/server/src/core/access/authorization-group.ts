import type { Scope } from "./access-token.ts";
import type { PolicyEntry } from "./policy-entry.ts";
import type { PrincipalLimits } from "./principal-limits.ts";

/** A policy that tokens and groups name, and that is changed for all of them at once. */
export interface NamedPolicy {
  readonly entries: readonly PolicyEntry[];
}

/** What those get whose provider says that they are in it. Who is in several gets the union, and the lowest limits. */
export interface AuthorizationGroup {
  /** The name of the OAuth provider whose word counts. */
  readonly provider: string;
  /** What the provider's groups claim holds. */
  readonly value: string;
  /** Names of policies. */
  readonly policies: readonly string[];
  readonly limits: PrincipalLimits;
  readonly scopes: readonly Scope[];
}
