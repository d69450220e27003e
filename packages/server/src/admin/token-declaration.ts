import {
  type AccessToken,
  type AccessTokenSettings,
  type Scope,
  TOKEN_REALM,
} from "../core/access/access-token.ts";
import { isAllowedText } from "@weir/protocol";
import type { Plain } from "../core/ports/engine.ts";
import { parseAcl } from "./acl-declaration.ts";
import { AdminError } from "./admin-error.ts";
import { type BindingDeclaration, parseBindings } from "./binding-declaration.ts";
import { declareLimits, type LimitsDeclaration, parseLimits } from "./limits-declaration.ts";
import type { JsonObject } from "./merge-patch.ts";
import { declareMint, type MintDeclaration, parseMint } from "./mint-declaration.ts";
import { formatTime, parseTime } from "./rfc3339-time.ts";

/** A token as its maker declares it. The types of the members were checked; what they say was not. */
export interface TokenDeclaration extends BindingDeclaration {
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
  readonly mint?: MintDeclaration;
  readonly limits?: LimitsDeclaration;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

const MAX_METADATA_CHARACTERS = 16_384;

/**
 * What a declaration says, checked.
 *
 * @throws {AdminError} `invalid`, naming the member
 */
export function parseTokenDeclaration(declaration: TokenDeclaration): AccessTokenSettings {
  const { name = "", username, ttl, expiresAt, enabled = true, scopes = [], mint, limits = {} } = declaration;
  const bindings = parseBindings(declaration, "");
  return {
    name,
    username: username === undefined ? undefined : parseUsername(username),
    passwordVerifier: undefined,
    acl: parseAcl(declaration.acl ?? [], bindings.clientIds, "acl"),
    policies: [...new Set(declaration.policies)],
    ttlS: ttl,
    expiresAtMs: expiresAt === undefined ? undefined : parseExpiresAt(expiresAt),
    enabled,
    scopes: [...new Set(scopes)] as Scope[],
    mint: mint && parseMint(mint),
    limits: parseLimits(limits),
    ...bindings,
    metadata: parseMetadata(declaration.metadata ?? {}),
  };
}

/** @throws {AdminError} `invalid` */
export function parseSubject(subject: string | undefined): string | undefined {
  const isOdd =
    subject !== undefined && (/[\u0000-\u001f\u007f-\u009f]/.test(subject) || !subject.isWellFormed());
  if (isOdd) throw invalid("subject", "holds a character that cannot be shown; leave it out");
  return subject;
}

/** The declaration that gives this token: what a merge patch is applied to. */
export function declarationOf(token: AccessToken): JsonObject {
  return {
    name: token.name,
    ...(token.username !== undefined && { username: token.username }),
    acl: token.acl as unknown as JsonObject[],
    policies: token.policies,
    ...(token.ttlS !== undefined && { ttl: token.ttlS }),
    ...(token.expiresAtMs !== undefined && { expiresAt: formatTime(token.expiresAtMs) }),
    enabled: token.enabled,
    scopes: token.scopes,
    ...(token.mint && { mint: declareMint(token.mint) }),
    limits: declareLimits(token.limits) as JsonObject,
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

function parseUsername(username: string): string {
  if (username !== "" && isAllowedText(username)) return username;
  throw invalid("username", "must have at least one character, and none that MQTT forbids");
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

function invalid(member: string, problem: string): AdminError {
  return new AdminError("invalid", `${member}: ${problem}`);
}
