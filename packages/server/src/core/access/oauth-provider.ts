import type { Plain } from "../ports/engine.ts";

/** Signature algorithms of JWTs; `none` is none of them. */
export const publicKeyAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;
export const secretKeyAlgorithms = ["HS256", "HS384", "HS512"] as const;

export type JwtAlgorithm = (typeof publicKeyAlgorithms)[number] | (typeof secretKeyAlgorithms)[number];

/** A public key as RFC 7517 writes it. */
export interface PublicJwk {
  readonly kty: string;
  readonly kid?: string;
  readonly alg?: string;
  readonly use?: string;
  readonly key_ops?: readonly string[];
  readonly [member: string]: Plain;
}

/** What a provider's JWTs are checked with: never a public key and a secret for the same provider. */
export type ProviderKeys =
  | { readonly kind: "jwks"; readonly uri: string; readonly refreshIntervalS: number }
  | { readonly kind: "static"; readonly keys: readonly PublicJwk[] }
  | { readonly kind: "hmac"; readonly secret: string }
  /** It gives out opaque tokens alone. */
  | { readonly kind: "none" };

/** Asking the issuer about opaque tokens (RFC 7662). */
export interface Introspection {
  readonly endpoint: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** What the provider's opaque tokens begin with; no other provider's may begin so. */
  readonly prefix: string;
  /** How long an answer counts. */
  readonly cacheS: number;
  readonly timeoutS: number;
}

/** An issuer whose JWTs are accepted; claims are named by path (see `lookUpClaim`). */
export interface OAuthProvider {
  readonly issuer: string;
  /** A JWT is for us if it is for one of these. */
  readonly audience: readonly string[];
  readonly keys: ProviderKeys;
  readonly algorithms: readonly JwtAlgorithm[];
  /** Seconds that the issuer's clock may be ahead of ours: for `iat` and `nbf`. `exp` is never stretched. */
  readonly clockSkewS: number;
  readonly subjectClaim: string;
  readonly groupsClaim: string | undefined;
  readonly groupsFormat: "string" | "array" | "space";
  /** The claim that says with which client id the JWT may connect. */
  readonly clientIdClaim: string | undefined;
  /** Each must equal the claim, or be an element of it. */
  readonly requiredClaims: { readonly [path: string]: Plain };
  /** One of the words in the claim `scope` (or `scp`). */
  readonly requiredScope: string | undefined;
  /** Seconds between `iat` and `exp`. */
  readonly maxLifetimeS: number;
  readonly introspection: Introspection | undefined;
  /** Undefined: the provider's own id, so that nobody of another provider is the same. */
  readonly realm: string | undefined;
}
