import { lookUpClaim } from "../core/access/claim-path.ts";
import type { OAuthProvider } from "../core/access/oauth-provider.ts";
import type { Plain } from "../core/ports/engine.ts";

/** The claims of a JWT, or what an introspection said. */
export type Claims = Readonly<Record<string, unknown>>;

/** Why a credential of an OAuth provider is refused: one word for each lie, for the metric and the log. */
export type OAuthRefusal =
  | "jwt-too-large"
  | "jwt-malformed"
  | "jwt-issuer"
  | "jwt-audience"
  | "jwt-ambiguous"
  | "jwt-type"
  | "jwt-critical"
  | "jwt-algorithm"
  | "jwt-key"
  | "jwt-keys-unavailable"
  | "jwt-signature"
  | "jwt-expired"
  | "jwt-not-yet-valid"
  | "jwt-lifetime"
  | "jwt-subject"
  | "jwt-claim"
  | "jwt-scope"
  | "jwt-revoked"
  | "introspection-inactive"
  | "introspection-unavailable"
  | "client-id";

/** What of the claims counts. */
export interface ReadClaims {
  readonly subject: string;
  readonly groups: readonly string[];
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly jti: string | undefined;
  /** With which it may connect; undefined: any. */
  readonly clientIds: readonly string[] | undefined;
}

const MAX_SUBJECT_CHARACTERS = 256;
const MAX_GROUPS = 1_000;
/** What is kept of claims is gone through by recursion. */
const MAX_LEVELS = 32;
/** Later than that no date is a date. */
const MAX_TIME_S = 8_640_000_000_000;

/** Whether a provider accepts what a credential of it claims, now. Its signature, issuer, audience were checked. */
export function readClaims(
  provider: OAuthProvider,
  claims: Claims,
  nowMs: number,
): ReadClaims | OAuthRefusal {
  if (isNestedDeeper(claims, MAX_LEVELS)) return "jwt-malformed";
  const times = readTimes(provider, claims, nowMs);
  if (typeof times === "string") return times;
  const subject = textOf(lookUpClaim(claims, provider.subjectClaim));
  if (subject === undefined || !isSubject(subject)) return "jwt-subject";
  for (const [path, value] of Object.entries(provider.requiredClaims)) {
    if (!holds(lookUpClaim(claims, path), value)) return "jwt-claim";
  }
  const { requiredScope } = provider;
  if (requiredScope !== undefined && !scopesOf(claims).includes(requiredScope)) return "jwt-scope";
  const jti = textOf(claims["jti"]);
  return {
    ...times,
    subject,
    groups: groupsOf(provider, claims),
    jti,
    clientIds: clientIdsOf(provider, claims),
  };
}

function isNestedDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isNestedDeeper(member, levels - 1));
}

/** Whether the credential is for one of these. */
export function isFor(audience: readonly string[], claim: unknown): boolean {
  return audience.some((one) => claim === one || (Array.isArray(claim) && claim.includes(one)));
}

function readTimes(
  { clockSkewS, maxLifetimeS }: OAuthProvider,
  claims: Claims,
  nowMs: number,
): Pick<ReadClaims, "issuedAtMs" | "expiresAtMs"> | OAuthRefusal {
  const { iat, exp, nbf } = claims;
  if (!isTime(iat) || !isTime(exp) || (nbf !== undefined && !isTime(nbf))) return "jwt-malformed";
  if (exp * 1_000 <= nowMs) return "jwt-expired";
  const latestMs = nowMs + clockSkewS * 1_000;
  if (iat * 1_000 > latestMs || (nbf ?? 0) * 1_000 > latestMs) return "jwt-not-yet-valid";
  if (exp - iat > maxLifetimeS) return "jwt-lifetime";
  return { issuedAtMs: iat * 1_000, expiresAtMs: exp * 1_000 };
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= MAX_TIME_S;
}

/** A number beyond 2^53-1 may have been another one before JSON was parsed (semantics.md §1.1). */
function textOf(value: unknown): string | undefined {
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  return typeof value === "string" ? value : undefined;
}

function isSubject(subject: string): boolean {
  const isOdd = /[\u0000-\u001f\u007f-\u009f]/.test(subject) || !subject.isWellFormed();
  return subject !== "" && subject.length <= MAX_SUBJECT_CHARACTERS && !isOdd;
}

function holds(claim: unknown, value: Plain): boolean {
  return isEqual(claim, value) || (Array.isArray(claim) && claim.some((element) => isEqual(element, value)));
}

/** Required values are texts, numbers and the like; lists and objects by their JSON. */
function isEqual(claim: unknown, value: Plain): boolean {
  if (claim === value) return true;
  return typeof value === "object" && value !== null && JSON.stringify(claim) === JSON.stringify(value);
}

/** RFC 8693 §4.2 writes them in one text; some issuers have a list, or the name `scp`. */
function scopesOf(claims: Claims): readonly unknown[] {
  const scope = claims["scope"] ?? claims["scp"];
  if (Array.isArray(scope)) return scope;
  return typeof scope === "string" ? scope.split(" ") : [];
}

function groupsOf({ groupsClaim, groupsFormat }: OAuthProvider, claims: Claims): readonly string[] {
  const claim = groupsClaim === undefined ? undefined : lookUpClaim(claims, groupsClaim);
  return splitGroups(claim, groupsFormat)
    .map(textOf)
    .filter((group) => group !== undefined && group !== "")
    .slice(0, MAX_GROUPS) as string[];
}

function splitGroups(claim: unknown, format: OAuthProvider["groupsFormat"]): readonly unknown[] {
  if (format === "array") return Array.isArray(claim) ? claim : [];
  if (format === "space") return typeof claim === "string" ? claim.split(" ") : [];
  return Array.isArray(claim) ? [] : [claim];
}

/** Where the claim is missing, no client id is the right one. */
function clientIdsOf({ clientIdClaim }: OAuthProvider, claims: Claims): readonly string[] | undefined {
  if (clientIdClaim === undefined) return undefined;
  const claim = lookUpClaim(claims, clientIdClaim);
  const values: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  return values.map(textOf).filter((value) => value !== undefined);
}
