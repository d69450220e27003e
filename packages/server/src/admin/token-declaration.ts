import {
  type AccessToken,
  type AccessTokenSettings,
  bindsClientId,
  type Scope,
  TOKEN_REALM,
} from "../core/access/access-token.ts";
import { parseIpNetwork } from "../core/access/ip-network.ts";
import { parsePolicyEntries, type PolicyEntry, PolicyEntryError } from "../core/access/policy-entry.ts";
import { usesClientId } from "../core/access/template.ts";
import type { Plain } from "../core/ports/engine.ts";
import { AdminError } from "./admin-error.ts";
import type { JsonObject } from "./merge-patch.ts";
import { formatTime, parseTime } from "./rfc3339-time.ts";

/** A token as its maker declares it. The types of the members were checked; what they say was not. */
export interface TokenDeclaration {
  readonly name?: string;
  readonly subject?: string;
  readonly tenant?: string;
  readonly username?: string;
  readonly password?: string;
  readonly acl?: readonly unknown[];
  readonly policies?: readonly string[];
  /** Seconds. */
  readonly ttl?: number;
  /** RFC 3339. */
  readonly expiresAt?: string;
  readonly enabled?: boolean;
  readonly scopes?: readonly string[];
  readonly mint?: unknown;
  readonly limits?: object;
  readonly clientIds?: readonly string[];
  readonly origins?: readonly string[];
  readonly networks?: readonly string[];
  readonly metadata?: Readonly<Record<string, unknown>>;
}

const MAX_METADATA_CHARACTERS = 16_384;

const ORIGIN = /^(?:\*|[a-z*][a-z0-9+.*-]*:\/\/[^/?#\s@]+)$/i;

/**
 * What a declaration says, checked.
 *
 * @throws {AdminError} `invalid`, naming the member
 */
export function parseTokenDeclaration(declaration: TokenDeclaration): AccessTokenSettings {
  refuseUnavailable(declaration);
  const {
    name = "",
    ttl,
    expiresAt,
    enabled = true,
    scopes = [],
    clientIds = [],
    origins = [],
    networks = [],
  } = declaration;
  requireAll(
    "clientIds",
    clientIds,
    (pattern) => pattern.isWellFormed() && !pattern.includes("\0"),
    "is no possible client id",
  );
  requireAll("origins", origins, (origin) => ORIGIN.test(origin), "must look like https://app.example.com");
  requireAll(
    "networks",
    networks,
    (network) => parseIpNetwork(network) !== undefined,
    "must look like 10.0.0.0/8 or 2001:db8::/32",
  );
  return {
    name,
    acl: parseAcl(declaration.acl ?? [], clientIds),
    ttlS: ttl,
    expiresAtMs: expiresAt === undefined ? undefined : parseExpiresAt(expiresAt),
    enabled,
    scopes: [...new Set(scopes)] as Scope[],
    clientIds: [...clientIds],
    origins: [...origins],
    networks: [...networks],
    metadata: parseMetadata(declaration.metadata ?? {}),
  };
}

/** @throws {AdminError} `invalid` */
export function parseSubject(subject: string | undefined): string | undefined {
  // oxlint-disable-next-line no-control-regex -- nobody sees those in a list
  const isOdd =
    subject !== undefined && (/[\u0000-\u001f\u007f-\u009f]/.test(subject) || !subject.isWellFormed());
  if (isOdd) throw invalid("subject", "holds a character that cannot be shown; leave it out");
  return subject;
}

/** The declaration that gives this token: what a merge patch is applied to. */
export function declarationOf(token: AccessToken): JsonObject {
  return {
    name: token.name,
    acl: token.acl as unknown as JsonObject[],
    ...(token.ttlS !== undefined && { ttl: token.ttlS }),
    ...(token.expiresAtMs !== undefined && { expiresAt: formatTime(token.expiresAtMs) }),
    enabled: token.enabled,
    scopes: token.scopes,
    clientIds: token.clientIds,
    origins: token.origins,
    networks: token.networks,
    metadata: token.metadata as JsonObject,
  };
}

/** What of a token never changes, as REST shows it. */
export function unchangingOf(token: AccessToken): Readonly<Record<string, string | undefined>> {
  const { id, subject, tenant, mintedBy, createdAtMs } = token;
  return { id, subject, tenant, mintedBy, createdAt: formatTime(createdAtMs), realm: TOKEN_REALM };
}

function refuseUnavailable(declaration: TokenDeclaration): void {
  const { username, password, policies = [], mint, limits = {} } = declaration;
  const unavailable: readonly (readonly [member: string, isUsed: boolean])[] = [
    ["username", username !== undefined],
    ["password", password !== undefined],
    ["policies", policies.length > 0],
    ["mint", mint !== undefined],
    ["limits", Object.keys(limits).length > 0],
  ];
  const used = unavailable.find(([, isUsed]) => isUsed);
  if (used) throw invalid(used[0], "is not available yet; leave it out");
}

/** A client that chooses its client id freely would choose by it whose data it reads (semantics.md §1.1). */
function parseAcl(value: readonly unknown[], clientIds: readonly string[]): readonly PolicyEntry[] {
  const acl = parseEntries(value);
  if (usesClientId(acl) && !bindsClientId(clientIds)) {
    throw invalid(
      "acl",
      "uses ${clientId}, so clientIds must say which client ids the token may connect with",
    );
  }
  return acl;
}

function parseEntries(value: readonly unknown[]): readonly PolicyEntry[] {
  try {
    return parsePolicyEntries(value);
  } catch (error) {
    if (error instanceof PolicyEntryError) throw new AdminError("invalid", error.message);
    throw error;
  }
}

function parseExpiresAt(text: string): number {
  const timeMs = parseTime(text);
  if (timeMs === undefined)
    throw invalid("expiresAt", "must be an RFC 3339 time such as 2030-01-31T12:00:00Z");
  return timeMs;
}

function parseMetadata(metadata: Readonly<Record<string, unknown>>): { readonly [name: string]: Plain } {
  if (JSON.stringify(metadata).length > MAX_METADATA_CHARACTERS) {
    throw invalid("metadata", `is longer than ${MAX_METADATA_CHARACTERS} characters`);
  }
  return metadata as { readonly [name: string]: Plain };
}

function requireAll(
  member: string,
  values: readonly string[],
  isGood: (value: string) => boolean,
  problem: string,
): void {
  const bad = values.findIndex((value) => !isGood(value));
  if (bad >= 0) throw invalid(`${member}[${bad}]`, problem);
}

function invalid(member: string, problem: string): AdminError {
  return new AdminError("invalid", `${member}: ${problem}`);
}
