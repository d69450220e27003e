import { createPublicKey, type KeyObject } from "node:crypto";
import {
  type Introspection,
  type JwtAlgorithm,
  type OAuthProvider,
  type ProviderKeys,
  type PublicJwk,
  publicKeyAlgorithms,
  secretKeyAlgorithms,
} from "../core/access/oauth-provider.ts";
import { isLoopbackAddress } from "../core/access/ip-network.ts";
import type { Plain } from "../core/ports/engine.ts";
import { AdminError } from "./admin-error.ts";

/** A provider as REST gives it. The types of the members were checked; what they say was not. */
export interface ProviderDeclaration {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly jwksUri?: string;
  readonly keys?: readonly Readonly<Record<string, unknown>>[];
  readonly hmacKey?: string;
  /** Seconds. */
  readonly refreshInterval?: number;
  readonly algorithms?: readonly string[];
  /** Seconds. */
  readonly clockSkew?: number;
  readonly subjectClaim?: string;
  readonly groupsClaim?: string;
  readonly groupsFormat?: "string" | "array" | "space";
  readonly clientIdClaim?: string;
  readonly requiredClaims?: Readonly<Record<string, unknown>>;
  readonly requiredScope?: string;
  /** Seconds. */
  readonly maxLifetime?: number;
  readonly introspection?: IntrospectionDeclaration;
  readonly realm?: string;
}

interface IntrospectionDeclaration {
  readonly endpoint: string;
  readonly clientId: string;
  readonly clientSecret?: string;
  readonly prefix?: string;
  /** Seconds. */
  readonly cache?: number;
  /** Seconds. */
  readonly timeout?: number;
}

const DEFAULT_REFRESH_INTERVAL_S = 300;
const DEFAULT_CLOCK_SKEW_S = 30;
const DEFAULT_MAX_LIFETIME_S = 86_400;
const DEFAULT_CACHE_S = 60;
const DEFAULT_TIMEOUT_S = 5;
const DEFAULT_PUBLIC_KEY_ALGORITHMS: readonly JwtAlgorithm[] = ["RS256", "PS256", "ES256", "EdDSA"];
/** RFC 7518 §3.2 for HS256. */
const MIN_HMAC_KEY_BYTES = 32;
/** RFC 7518 §3.3. */
const MIN_RSA_BITS = 2_048;
/** Members of a JWK that hold what only the issuer may know (RFC 7518 §6). */
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/** Realms of the broker's own. */
const RESERVED_REALMS = ["token", "anonymous"];
/** Its admin decides which opaque tokens of no prefix go to which endpoint. */
const SYSTEM_TENANT = "default";

/**
 * What a declaration says, checked.
 *
 * @param present the provider that it replaces: secrets that are left out stay as they are
 * @throws {AdminError} `invalid`, naming the member
 */
export function parseProvider(
  declaration: ProviderDeclaration,
  present: OAuthProvider | undefined,
  tenant: string,
): OAuthProvider {
  const keys = parseKeys(declaration, present?.keys);
  return {
    issuer: declaration.issuer,
    audience: [...new Set(declaration.audience)],
    keys,
    algorithms: parseAlgorithms(declaration.algorithms, keys),
    clockSkewS: declaration.clockSkew ?? DEFAULT_CLOCK_SKEW_S,
    subjectClaim: declaration.subjectClaim ?? "sub",
    groupsClaim: declaration.groupsClaim,
    groupsFormat: declaration.groupsFormat ?? "array",
    clientIdClaim: declaration.clientIdClaim,
    requiredClaims: (declaration.requiredClaims ?? {}) as { readonly [path: string]: Plain },
    requiredScope: parseScope(declaration.requiredScope),
    maxLifetimeS: declaration.maxLifetime ?? DEFAULT_MAX_LIFETIME_S,
    introspection:
      declaration.introspection && parseIntrospection(declaration.introspection, present, tenant),
    realm: parseRealm(declaration.realm),
  };
}

function parseKeys(declaration: ProviderDeclaration, present: ProviderKeys | undefined): ProviderKeys {
  const { jwksUri, keys, hmacKey, introspection, refreshInterval } = declaration;
  const given = [jwksUri, keys, hmacKey].filter((one) => one !== undefined).length;
  if (given > 1)
    throw invalid("jwksUri", "give one of jwksUri, keys and hmacKey: public keys or a secret, never both");
  if (jwksUri !== undefined) {
    requireSafeUrl("jwksUri", jwksUri);
    return { kind: "jwks", uri: jwksUri, refreshIntervalS: refreshInterval ?? DEFAULT_REFRESH_INTERVAL_S };
  }
  if (refreshInterval !== undefined) throw invalid("refreshInterval", "needs a jwksUri");
  if (keys !== undefined) return { kind: "static", keys: keys.map((key, i) => parseKey(key, `keys[${i}]`)) };
  if (hmacKey !== undefined) return { kind: "hmac", secret: parseHmacKey(hmacKey) };
  if (present?.kind === "hmac") return present;
  if (introspection !== undefined) return { kind: "none" };
  throw invalid("jwksUri", "give one of jwksUri, keys, hmacKey, or introspection");
}

function parseKey(key: Readonly<Record<string, unknown>>, path: string): PublicJwk {
  const secret = PRIVATE_MEMBERS.find((member) => Object.hasOwn(key, member));
  if (secret !== undefined)
    throw invalid(`${path}.${secret}`, "belongs to a private key; give the public one");
  const { modulusLength = Infinity } = parsePublicKey(key, path).asymmetricKeyDetails ?? {};
  if (modulusLength < MIN_RSA_BITS) throw invalid(path, `has less than ${MIN_RSA_BITS} bits`);
  return key as PublicJwk;
}

function parsePublicKey(key: Readonly<Record<string, unknown>>, path: string): KeyObject {
  try {
    return createPublicKey({ key, format: "jwk" });
  } catch {
    throw invalid(path, "is no public key that can be used (JWK, RFC 7517)");
  }
}

function parseHmacKey(text: string): string {
  const isBase64Url = /^[A-Za-z0-9_-]*$/.test(text);
  const bytes = isBase64Url ? Buffer.from(text, "base64url").length : 0;
  if (bytes >= MIN_HMAC_KEY_BYTES) return text;
  throw invalid("hmacKey", `must be at least ${MIN_HMAC_KEY_BYTES} bytes in base64url`);
}

/** A secret with public-key algorithms, or the other way round, would let the public key sign (RFC 8725 §2.1). */
function parseAlgorithms(given: readonly string[] | undefined, keys: ProviderKeys): readonly JwtAlgorithm[] {
  const isSecret = keys.kind === "hmac";
  if (given === undefined) return isSecret ? ["HS256"] : DEFAULT_PUBLIC_KEY_ALGORITHMS;
  const possible: readonly string[] = isSecret ? secretKeyAlgorithms : publicKeyAlgorithms;
  const bad = given.find((algorithm) => !possible.includes(algorithm));
  if (bad === undefined) return [...new Set(given)] as JwtAlgorithm[];
  const with_ = isSecret ? "hmacKey" : "public keys";
  throw invalid(
    "algorithms",
    `holds ${JSON.stringify(bad)}; with ${with_} possible are ${possible.join(", ")}`,
  );
}

function parseScope(scope: string | undefined): string | undefined {
  if (scope === undefined || /^\S+$/.test(scope)) return scope;
  throw invalid("requiredScope", "must be one word");
}

function parseRealm(realm: string | undefined): string | undefined {
  if (realm === undefined) return undefined;
  if (RESERVED_REALMS.includes(realm)) throw invalid("realm", `${realm} is the broker's own; choose another`);
  if (/[\u0000-\u001f\u007f-\u009f]/.test(realm) || !realm.isWellFormed())
    throw invalid("realm", "holds a character that cannot be shown; leave it out");
  return realm;
}

function parseIntrospection(
  declaration: IntrospectionDeclaration,
  present: OAuthProvider | undefined,
  tenant: string,
): Introspection {
  const { endpoint, clientId, prefix = "", cache, timeout } = declaration;
  requireSafeUrl("introspection.endpoint", endpoint);
  // At another endpoint the secret that is known here would be shown to somebody else.
  const known =
    present?.introspection?.endpoint === endpoint ? present.introspection.clientSecret : undefined;
  const clientSecret = declaration.clientSecret ?? known;
  if (clientSecret === undefined) throw invalid("introspection.clientSecret", "is needed");
  if (prefix === "" && tenant !== SYSTEM_TENANT) {
    throw invalid(
      "introspection.prefix",
      "is needed: else tokens of other tenants would be sent to this endpoint",
    );
  }
  return {
    endpoint,
    clientId,
    clientSecret,
    prefix,
    cacheS: cache ?? DEFAULT_CACHE_S,
    timeoutS: timeout ?? DEFAULT_TIMEOUT_S,
  };
}

/** Keys and credentials travel over https; on this machine nobody listens in between. */
function requireSafeUrl(member: string, text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || url.username !== "" || url.password !== "" || url.hash !== "")
    throw invalid(member, "must be a URL without credentials and fragment");
  if (url.protocol === "https:") return;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const isLocal = host === "localhost" || isLoopbackAddress(host);
  if (url.protocol !== "http:" || !isLocal) throw invalid(member, "must be https (http on loopback alone)");
}

function invalid(member: string, problem: string): AdminError {
  return new AdminError("invalid", `${member}: ${problem}`);
}
