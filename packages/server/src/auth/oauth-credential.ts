import type { JwtAlgorithm } from "../core/access/oauth-provider.ts";
import type { Claims, ReadClaims } from "./oauth-claims.ts";
import type { KnownProvider } from "./provider-directory.ts";

/** A JWT that was verified, or an opaque token that its issuer has vouched for. */
export interface OAuthCredential {
  /** As of then. */
  readonly provider: KnownProvider;
  readonly claims: Claims;
  readonly read: ReadClaims;
  /** Absent for an opaque token. */
  readonly signature?: JwtSignature;
}

export interface JwtSignature {
  readonly algorithm: JwtAlgorithm;
  readonly thumbprint: string;
  readonly kid: string | undefined;
}
