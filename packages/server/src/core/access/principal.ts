import type { Policy } from "./policy.ts";
import type { PrincipalLimits } from "./principal-limits.ts";

/** Who someone is. `alice` of one realm is not `alice` of another; the realm of access tokens is `token`. */
export interface Identity {
  readonly realm: string;
  readonly subject: string;
}

/** Why a principal may do nothing any more; semantics.md §1.9 says what becomes of its sessions. */
export type PrincipalEnd = "expired" | "deleted" | "disabled" | "revoked";

/** What the credential of an OAuth provider said; absent for access tokens and for anonymous access. */
export interface OAuthOrigin {
  readonly issuer: string;
  /** The provider's name in its tenant. */
  readonly provider: string;
  /** One that is made anew under the name is another (semantics.md §1.16). */
  readonly providerId: string;
  /** Of the key that signed the JWT; absent for one without `kid` and for an opaque token. */
  readonly keyId?: string;
  readonly jti?: string;
  readonly issuedAtMs: number;
  /** What its claims say of groups, whether or not the tenant has a group for them. */
  groups: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * What one use of a credential may do, and until when. Everything that acts for the connection holds this same object,
 * so that a live change of the credential counts from the instant in which it is written here.
 */
export interface Principal extends Partial<OAuthOrigin> {
  readonly tenant: string;
  readonly identity: Identity;
  /** Absent for a JWT and for anonymous access. */
  readonly tokenId?: string;
  /** The id of the minting token that made its token (semantics.md §1.11). */
  readonly minter?: string;
  readonly clientId: string;
  policy: Policy;
  /** The lowest of what the token, the groups and the tenant say. */
  limits?: PrincipalLimits;
  /** Rises with every change of `policy`. */
  policyVersion: number;
  /** On the clock of the ports; `Infinity` is never. */
  endsAtMs: number;
  /** Set once, by whoever ends it. */
  ended?: PrincipalEnd;
}

/** One string for an identity in its tenant; no two of them share one, whatever characters the parts contain. */
export function identityKey(tenant: string, identity: Identity): string {
  return `${tenant.length}:${tenant}${identity.realm.length}:${identity.realm}${identity.subject}`;
}
