import type { OAuthOrigin, Principal } from "../access/principal.ts";
import type { Plain } from "../ports/engine.ts";

/** What is saved of where a principal of an OAuth provider comes from. */
export interface SavedOAuth extends OAuthOrigin {
  readonly endsAtMs: number;
}

/** For the session's record; null for whoever comes from no OAuth provider. */
export function oauthPart(principal: Principal): Plain {
  const { provider, providerId, issuer, keyId, jti, issuedAtMs, groups, claims, endsAtMs } = principal;
  if (provider === undefined) return null;
  const always = { provider, providerId, issuer, issuedAtMs, groups, endsAtMs, claims: claims as Plain };
  return { ...always, ...(keyId !== undefined && { keyId }), ...(jti !== undefined && { jti }) };
}
