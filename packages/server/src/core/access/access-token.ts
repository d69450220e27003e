import type { Plain } from "../ports/engine.ts";
import type { PolicyEntry } from "./policy-entry.ts";
import type { Principal } from "./principal.ts";

/** The realm of every identity that an access token stands for. */
export const TOKEN_REALM = "token";

/**
 * What a credential may do over REST: `admin` is all of them in its tenant, except `tenants`, which is the system's.
 * `messages` publishes within the policy; `tokens`, `policies` and `providers` are power over every topic.
 */
export type Scope = (typeof scopeNames)[number];

export const scopeNames = [
  "tokens",
  "sessions",
  "messages",
  "policies",
  "providers",
  "metrics",
  "audit",
  "admin",
  "tenants",
] as const;

/** What the maker of a token decides and may change later. */
export interface AccessTokenSettings {
  /** For people; may be empty. */
  readonly name: string;
  readonly acl: readonly PolicyEntry[];
  /** Seconds without use after which it ends; undefined: it may rest for ever. */
  readonly ttlS: number | undefined;
  /** Milliseconds since the epoch; undefined: never. */
  readonly expiresAtMs: number | undefined;
  readonly enabled: boolean;
  readonly scopes: readonly Scope[];
  /** Client ids that it may connect with, `*` for any characters; empty: all. */
  readonly clientIds: readonly string[];
  /** Origins of the web pages that may use it; empty: all. */
  readonly origins: readonly string[];
  /** Networks (CIDR) that it may be used from; empty: all. */
  readonly networks: readonly string[];
  readonly metadata: { readonly [name: string]: Plain };
}

/** An opaque secret that stands for an identity with an ACL, without the secret. */
export interface AccessToken extends AccessTokenSettings {
  readonly id: string;
  readonly subject: string;
  readonly tenant: string;
  /** The id of the token that made it; undefined: the broker made it itself. */
  readonly mintedBy: string | undefined;
  readonly createdAtMs: number;
}

/** Who calls over REST: by an access token, or by a JWT. */
export interface Caller {
  /** What it may publish and read, and in which tenant. */
  readonly principal: Principal;
  readonly scopes: readonly Scope[];
  /** Absent for a JWT. */
  readonly token?: AccessToken;
}

/** Where tokens live. Changes count at once on this node, and within a second on the others. */
export interface AccessTokens {
  /** Disabled and lately expired ones too. */
  get(id: string): AccessToken | undefined;
  /** In order of creation, at most `limit`, those after the id `after`. */
  list(tenant: string, after: string | undefined, limit: number): readonly AccessToken[];
  /** Milliseconds since the epoch; undefined: never used. */
  lastUsedAtMs(token: AccessToken): number | undefined;
  /**
   * Makes a token with a new id and key; the key is nowhere else and cannot be read again.
   * Rejects with EngineError.
   */
  create(
    owner: TokenOwner,
    settings: AccessTokenSettings,
  ): Promise<{ readonly token: AccessToken; readonly key: string }>;
  /** Rejects with EngineError, `conflict` if the token is no longer what `token` says. */
  update(token: AccessToken, settings: AccessTokenSettings): Promise<AccessToken>;
  /** Rejects with EngineError. A token that is gone is no error. */
  delete(token: AccessToken): Promise<void>;
}

export interface TokenOwner {
  readonly tenant: string;
  /** Undefined: the token's id. */
  readonly subject: string | undefined;
  readonly mintedBy: string | undefined;
}

/** Whether `pattern`, in which `*` stands for any characters or none, matches the whole text. Linear in both. */
export function globMatches(pattern: string, text: string): boolean {
  const pieces = pattern.split("*");
  const first = pieces[0] as string;
  if (pieces.length === 1) return pattern === text;
  const last = pieces.at(-1) as string;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last))
    return false;
  const end = text.length - last.length;
  let from = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, from);
    if (found < 0 || found + piece.length > end) return false;
    from = found + piece.length;
  }
  return true;
}

/** Whether the patterns leave the client no free choice: only then `${clientId}` says something about the client. */
export function bindsClientId(patterns: readonly string[]): boolean {
  return patterns.length > 0 && patterns.every((pattern) => /[^*]/.test(pattern));
}
