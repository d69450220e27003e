import { type AccessToken, TOKEN_REALM } from "../core/access/access-token.ts";
import { compilePolicy, type Policy } from "../core/access/policy.ts";
import { usesClientId } from "../core/access/template.ts";
import type { PolicyEntry } from "../core/access/policy-entry.ts";
import type { Principal, PrincipalEnd } from "../core/access/principal.ts";
import type { Clock } from "../core/ports/clock.ts";
import { refuseUse, type TokenUse } from "./token-use.ts";

/** What live changes need of a session. */
export interface TokenSession {
  readonly principal: Principal;
  /** After `principal.policy` was replaced: the effective filters follow. */
  policyChanged(): void;
  endPrincipal(why: PrincipalEnd): void;
}

export interface TokenSessions {
  /** Allows for sessions that end while they are gone through. */
  ofToken(tenant: string, tokenId: string): Iterable<TokenSession>;
}

/** What a principal was made of. */
interface Origin {
  /** Undefined: made by recovery. */
  readonly use: TokenUse | undefined;
  readonly acl: readonly PolicyEntry[];
}

/** Makes the principals of tokens, and lets them follow when their token changes (semantics.md §1.8). */
export class TokenPrincipals {
  readonly #clock: Clock;
  readonly #sessions: TokenSessions;
  /** Those that recovery made are not in here at first: their policy is taken for outdated. */
  readonly #origins = new WeakMap<Principal, Origin>();

  constructor(clock: Clock, sessions: TokenSessions) {
    this.#clock = clock;
    this.#sessions = sessions;
  }

  /** A principal for one connection, or for calls over REST. */
  issue(token: AccessToken, use: TokenUse): Principal {
    const clientId = use.clientId ?? "";
    const principal: Principal = {
      tenant: token.tenant,
      identity: { realm: TOKEN_REALM, subject: token.subject },
      tokenId: token.id,
      clientId,
      policy: policyOf(token, clientId),
      policyVersion: 0,
      endsAtMs: token.expiresAtMs ?? Infinity,
    };
    this.#origins.set(principal, { use, acl: token.acl });
    return principal;
  }

  /** Lets sessions follow a change of their token; without `after` it was deleted. */
  follow(before: AccessToken, after: AccessToken | undefined): void {
    for (const session of this.#sessions.ofToken(before.tenant, before.id)) this.followIn(session, after);
  }

  /** Lets one session follow its token as it is now; undefined: it is gone. */
  followIn(session: TokenSession, token: AccessToken | undefined): void {
    const { principal } = session;
    const end = this.#endOf(principal, token);
    if (end === undefined) {
      if (token && !principal.ended && this.#update(principal, token)) session.policyChanged();
    } else if (principal.ended === undefined || (principal.ended === "expired" && end !== "expired")) {
      session.endPrincipal(end);
    }
  }

  /** Brings a principal up to date that no session may have yet. */
  refresh(principal: Principal, token: AccessToken | undefined): void {
    if (principal.ended) return;
    const end = this.#endOf(principal, token);
    if (end) principal.ended = end;
    else if (token) this.#update(principal, token);
  }

  /** Ends what the token let in, because its time is over. */
  expire(token: AccessToken): void {
    for (const session of this.#sessions.ofToken(token.tenant, token.id)) {
      if (!session.principal.ended) session.endPrincipal("expired");
    }
  }

  #endOf(principal: Principal, token: AccessToken | undefined): PrincipalEnd | undefined {
    if (!token) return "deleted";
    if (!token.enabled) return "disabled";
    // Its ttl is not looked at: an open connection is use.
    if ((token.expiresAtMs ?? Infinity) <= this.#clock.nowMs()) return "expired";
    const use = this.#origins.get(principal)?.use;
    return use && refuseUse(token, use) ? "revoked" : undefined;
  }

  /** Whether the policy is another one now. */
  #update(principal: Principal, token: AccessToken): boolean {
    principal.endsAtMs = token.expiresAtMs ?? Infinity;
    const origin = this.#origins.get(principal);
    if (origin && isSameAcl(origin.acl, token.acl)) return false;
    this.#origins.set(principal, { use: origin?.use, acl: token.acl });
    principal.policy = policyOf(token, principal.clientId);
    principal.policyVersion++;
    return true;
  }
}

/** By ACL, which belongs to one token: a thousand connections of a token share one compiled policy. */
const compiled = new WeakMap<readonly PolicyEntry[], Policy>();

function policyOf(token: AccessToken, clientId: string): Policy {
  const { acl, subject, id: tokenId } = token;
  if (usesClientId(acl)) return compilePolicy(acl, { subject, clientId, tokenId });
  const policy = compiled.get(acl) ?? compilePolicy(acl, { subject, clientId: "", tokenId });
  compiled.set(acl, policy);
  return policy;
}

function isSameAcl(known: readonly PolicyEntry[], now: readonly PolicyEntry[]): boolean {
  return known === now || JSON.stringify(known) === JSON.stringify(now);
}
