import type { Plain } from "../ports/engine.ts";
import type { MintTemplate } from "./mint-template.ts";
import type { PolicyEntry } from "./policy-entry.ts";
import type { PrincipalLimits } from "./principal-limits.ts";
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
  /** What its holder may log in with besides the key, together with a password; undefined: the key alone. */
  readonly username: string | undefined;
  /** What the password is checked with: argon2id, or imported from another system. Never shown. */
  readonly passwordVerifier: string | undefined;
  readonly acl: readonly PolicyEntry[];
  /** Names of policies whose entries count besides `acl`. */
  readonly policies: readonly string[];
  /** Seconds without use after which it ends; undefined: it may rest for ever. */
  readonly ttlS: number | undefined;
  /** Milliseconds since the epoch; undefined: never. */
  readonly expiresAtMs: number | undefined;
  readonly enabled: boolean;
  readonly scopes: readonly Scope[];
  /** Makes it a minting token: the tokens that it may make. */
  readonly mint: MintTemplate | undefined;
  readonly limits: PrincipalLimits;
  /** Client ids that it may connect with, `*` for any characters; empty: all. */
  readonly clientIds: readonly string[];
  /** Origins of the web pages that may use it; empty: all. */
  readonly origins: readonly string[];
  /** Networks (CIDR) that it may be used from; empty: all. */
  readonly networks: readonly string[];
  readonly metadata: { readonly [name: string]: Plain };
}

/**
 * `free`: by a scope, on its own from then on. `minted`: by a minting token, whose template bounds it as long as that
 * token lives; it ends with it. `kept`: its minting token was deleted and it was to stay, under the template of then.
 */
export type TokenOrigin =
  | { readonly kind: "free" }
  | { readonly kind: "minted" }
  | { readonly kind: "kept"; readonly template: MintTemplate };

/** A token that may do nothing yet, and never ends. */
export const emptySettings: AccessTokenSettings = {
  name: "",
  username: undefined,
  passwordVerifier: undefined,
  acl: [],
  policies: [],
  ttlS: undefined,
  expiresAtMs: undefined,
  enabled: true,
  scopes: [],
  mint: undefined,
  limits: {},
  clientIds: [],
  origins: [],
  networks: [],
  metadata: {},
};

/** The settings of a token, and nothing else that it holds. */
export function settingsOf(token: AccessTokenSettings): AccessTokenSettings {
  const names = Object.keys(emptySettings) as (keyof AccessTokenSettings)[];
  return Object.fromEntries(names.map((name) => [name, token[name]])) as unknown as AccessTokenSettings;
}

/** An opaque secret that stands for an identity with an ACL, without the secret. */
export interface AccessToken extends AccessTokenSettings {
  readonly id: string;
  readonly subject: string;
  readonly tenant: string;
  /** The id of the token that made it; undefined: the broker made it itself, or a JWT did. */
  readonly mintedBy: string | undefined;
  /** By what right it was made; whatever its maker does later, that stays. */
  readonly origin: TokenOrigin;
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
  /** In order of creation, at most `limit`, those after the id `after`; only those that `isWanted`. */
  list(
    tenant: string,
    after: string | undefined,
    limit: number,
    isWanted?: (token: AccessToken) => boolean,
  ): readonly AccessToken[];
  /** Those that a minting token has made and that still depend on it. */
  mintedBy(id: string): Iterable<AccessToken>;
  mintedCount(id: string): number;
  /** Of all tenants, whatever their state. */
  ofUsername(username: string): Iterable<AccessToken>;
  /** What is stored of a password: a verifier as other systems write them stays as it is. Takes a while. */
  verifierOf(password: string): Promise<string>;
  ofSubject(tenant: string, subject: string): Iterable<AccessToken>;
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
  /** The minted token goes on under this template when its minting token is gone. Rejects with EngineError. */
  keepUnder(token: AccessToken, template: MintTemplate): Promise<void>;
  /**
   * Deletes the token, then what it minted and that is not kept: that is worth nothing from the first moment on. Rejects
   * with EngineError. A token that is gone is no error.
   */
  delete(token: AccessToken): Promise<void>;
}

export interface TokenOwner {
  readonly tenant: string;
  /** Undefined: the token's id. */
  readonly subject: string | undefined;
  readonly mintedBy: string | undefined;
  /** Free by default. */
  readonly isMinted?: boolean;
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
