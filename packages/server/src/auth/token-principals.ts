import { type AccessToken, TOKEN_REALM } from "../core/access/access-token.ts";
import { compilePolicy } from "../core/access/policy.ts";
import type { Principal, PrincipalEnd } from "../core/access/principal.ts";
import type { Clock } from "../core/ports/clock.ts";
import { refuseUse, type TokenUse, tokenEndMs } from "./token-use.ts";

/** What live changes need of a session. */
export interface TokenSession {
  readonly principal: Principal;
  /** After `principal.policy` was replaced: the effective filters follow. */
  policyChanged(): void;
  endPrincipal(why: PrincipalEnd): void;
}

export interface TokenSessions {
  ofToken(tenant: string, tokenId: string): Iterable<TokenSession>;
}

/** As long as a CONNECT can take: until then its principal may not be found in a session yet. */
const CONNECT_MS = 30_000;

/** Makes the principals of tokens, and lets them follow when their token changes (semantics.md §1.8). */
export class TokenPrincipals {
  readonly #clock: Clock;
  readonly #sessions: TokenSessions;
  readonly #uses = new WeakMap<Principal, TokenUse>();
  /** In order of time; those before `#firstIssued` are forgotten. */
  #issued: { readonly principal: Principal; readonly atMs: number }[] = [];
  #firstIssued = 0;

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
      policy: compilePolicy(token.acl, { subject: token.subject, clientId, tokenId: token.id }),
      policyVersion: 0,
      endsAtMs: token.expiresAtMs ?? Infinity,
    };
    this.#uses.set(principal, use);
    if (use.clientId !== undefined) this.#remember(principal);
    return principal;
  }

  /** Lets open sessions and connecting clients follow a change of their token; without `after` it was deleted. */
  follow(before: AccessToken, after: AccessToken | undefined): void {
    const isNewAcl = after !== undefined && !isSameAcl(before, after);
    const followed = new Set<Principal>();
    for (const session of [...this.#sessions.ofToken(before.tenant, before.id)]) {
      followed.add(session.principal);
      this.#followInSession(session, after, isNewAcl);
    }
    for (const principal of this.#connecting(before.id)) {
      if (!followed.has(principal)) this.#followWhileConnecting(principal, after, isNewAcl);
    }
  }

  /** Ends what the token let in, because its time is over. */
  expire(token: AccessToken): void {
    for (const session of [...this.#sessions.ofToken(token.tenant, token.id)]) {
      if (!session.principal.ended) session.endPrincipal("expired");
    }
    for (const principal of this.#connecting(token.id)) principal.ended ??= "expired";
  }

  /** Gives recovered sessions the policy of their token as it is now, or ends them. */
  adopt(session: TokenSession, token: AccessToken | undefined, lastUsedAtMs: number | undefined): void {
    const isOver = token !== undefined && tokenEndMs(token, lastUsedAtMs) <= this.#clock.nowMs();
    const end = this.#endOf(session.principal, token) ?? (isOver ? "expired" : undefined);
    if (end) session.endPrincipal(end);
    else if (token && this.#refresh(session.principal, token, true)) session.policyChanged();
  }

  #followInSession(session: TokenSession, after: AccessToken | undefined, isNewAcl: boolean): void {
    const { principal } = session;
    const end = this.#endOf(principal, after);
    if (end) session.endPrincipal(end);
    else if (after && !principal.ended && this.#refresh(principal, after, isNewAcl)) session.policyChanged();
  }

  #followWhileConnecting(principal: Principal, after: AccessToken | undefined, isNewAcl: boolean): void {
    if (principal.ended) return;
    const end = this.#endOf(principal, after);
    if (end) principal.ended = end;
    else if (after) this.#refresh(principal, after, isNewAcl);
  }

  #endOf(principal: Principal, token: AccessToken | undefined): PrincipalEnd | undefined {
    if (!token) return "deleted";
    if (!token.enabled) return "disabled";
    if ((token.expiresAtMs ?? Infinity) <= this.#clock.nowMs()) return "expired";
    const use = this.#uses.get(principal);
    return use && refuseUse(token, use) ? "revoked" : undefined;
  }

  /** Whether the policy is another one now. */
  #refresh(principal: Principal, token: AccessToken, isNewAcl: boolean): boolean {
    principal.endsAtMs = token.expiresAtMs ?? Infinity;
    if (!isNewAcl) return false;
    const { subject } = principal.identity;
    principal.policy = compilePolicy(token.acl, { subject, clientId: principal.clientId, tokenId: token.id });
    principal.policyVersion++;
    return true;
  }

  #remember(principal: Principal): void {
    const atMs = this.#clock.nowMs();
    this.#issued.push({ principal, atMs });
    while ((this.#issued[this.#firstIssued]?.atMs ?? Infinity) < atMs - CONNECT_MS) this.#firstIssued++;
    if (this.#firstIssued * 2 < this.#issued.length) return;
    this.#issued = this.#issued.slice(this.#firstIssued);
    this.#firstIssued = 0;
  }

  *#connecting(tokenId: string): Generator<Principal> {
    for (let i = this.#firstIssued; i < this.#issued.length; i++) {
      const principal = this.#issued[i]?.principal;
      if (principal?.tokenId === tokenId) yield principal;
    }
  }
}

function isSameAcl(before: AccessToken, after: AccessToken): boolean {
  return before.acl === after.acl || JSON.stringify(before.acl) === JSON.stringify(after.acl);
}
