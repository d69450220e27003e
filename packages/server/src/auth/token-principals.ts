import { type AccessToken, TOKEN_REALM } from "../core/access/access-token.ts";
import type { MintTemplate } from "../core/access/mint-template.ts";
import { compilePolicy, type Policy } from "../core/access/policy.ts";
import type { PolicyEntry } from "../core/access/policy-entry.ts";
import { intersectPolicies } from "../core/access/policy-intersection.ts";
import type { Principal, PrincipalEnd } from "../core/access/principal.ts";
import { lowestLimits, type PrincipalLimits } from "../core/access/principal-limits.ts";
import { usesClientId } from "../core/access/template.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { MintedTokens } from "./minted-tokens.ts";
import type { TokenUse } from "./token-use.ts";

/** What live changes need of a session. */
export interface TokenSession {
  readonly principal: Principal;
  /** After `principal.policy` was replaced: the effective filters follow. */
  policyChanged(): void;
  /** After `principal.endsAtMs` was replaced. */
  endChanged(): void;
  endPrincipal(why: PrincipalEnd): void;
}

export interface TokenSessions {
  /** Allows for sessions that end while they are gone through. */
  ofToken(tenant: string, tokenId: string): Iterable<TokenSession>;
}

/** What the policy of a principal was compiled from. */
interface Rights {
  readonly acl: readonly PolicyEntry[];
  /** Of the minting token, where the token was made by one. */
  readonly template: MintTemplate | undefined;
}

/** What a principal was made of. */
interface Origin extends Rights {
  /** Undefined: made by recovery. */
  readonly use: TokenUse | undefined;
}

export interface TokenPrincipalsOptions {
  readonly clock: Clock;
  readonly sessions: TokenSessions;
  readonly minted: MintedTokens;
}

/** Makes the principals of tokens, and lets them follow when their token changes (semantics.md §1.8). */
export class TokenPrincipals {
  readonly #clock: Clock;
  readonly #sessions: TokenSessions;
  readonly #minted: MintedTokens;
  /** Those that recovery made are not in here at first: their policy is taken for outdated. */
  readonly #origins = new WeakMap<Principal, Origin>();

  constructor({ clock, sessions, minted }: TokenPrincipalsOptions) {
    this.#clock = clock;
    this.#sessions = sessions;
    this.#minted = minted;
  }

  /** A principal for one connection, or for calls over REST. */
  issue(token: AccessToken, use: TokenUse): Principal {
    const clientId = use.clientId ?? "";
    const rights = this.#rightsOf(token);
    const principal: Principal = {
      tenant: token.tenant,
      identity: { realm: TOKEN_REALM, subject: token.subject },
      tokenId: token.id,
      ...(token.origin.kind !== "free" && token.mintedBy !== undefined && { minter: token.mintedBy }),
      clientId,
      policy: policyOf(token, rights, clientId),
      limits: limitsOf(token, rights),
      policyVersion: 0,
      endsAtMs: this.#minted.connectionEndMs(token),
    };
    this.#origins.set(principal, { use, ...rights });
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
      if (token && !principal.ended) this.#updateIn(session, token);
    } else if (principal.ended === undefined || (principal.ended === "expired" && end !== "expired")) {
      session.endPrincipal(end);
    }
  }

  #updateIn(session: TokenSession, token: AccessToken): void {
    const { endsAtMs } = session.principal;
    if (this.#update(session.principal, token)) session.policyChanged();
    if (session.principal.endsAtMs !== endsAtMs) session.endChanged();
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
    const ended = this.#minted.whyEnded(token);
    if (ended) return ended;
    const use = this.#origins.get(principal)?.use;
    return use && this.#minted.refuseUse(token, use) ? "revoked" : undefined;
  }

  /** Whether the policy is another one now. */
  #update(principal: Principal, token: AccessToken): boolean {
    const origin = this.#origins.get(principal);
    const rights = this.#rightsOf(token);
    principal.endsAtMs = this.#minted.connectionEndMs(token);
    principal.limits = limitsOf(token, rights);
    if (origin && areSameRights(origin, rights)) return false;
    this.#origins.set(principal, { use: origin?.use, ...rights });
    principal.policy = policyOf(token, rights, principal.clientId);
    principal.policyVersion++;
    return true;
  }

  #rightsOf(token: AccessToken): Rights {
    return { acl: token.acl, template: this.#minted.templateOf(token) };
  }
}

/** By ACL, which belongs to one token: a thousand connections of a token share one compiled policy. */
const compiled = new WeakMap<
  readonly PolicyEntry[],
  { template: MintTemplate | undefined; policy: Policy }
>();

function policyOf(token: AccessToken, rights: Rights, clientId: string): Policy {
  const { acl, template } = rights;
  if (usesClientId(acl) || (template && usesClientId(template.acl)))
    return compileRights(token, rights, clientId);
  const known = compiled.get(acl);
  if (known?.template === template && known) return known.policy;
  const policy = compileRights(token, rights, "");
  compiled.set(acl, { template, policy });
  return policy;
}

/** Its own and its template's at once (semantics.md §1.11). */
function compileRights({ subject, id }: AccessToken, { acl, template }: Rights, clientId: string): Policy {
  const values = { subject, clientId, tokenId: id };
  const own = compilePolicy(acl, values);
  return template ? intersectPolicies(own, compilePolicy(template.acl, values)) : own;
}

function limitsOf(token: AccessToken, { template }: Rights): PrincipalLimits {
  return template ? lowestLimits([token.limits, template.limits]) : token.limits;
}

function areSameRights(known: Rights, now: Rights): boolean {
  return isSame(known.acl, now.acl) && isSame(known.template?.acl, now.template?.acl);
}

function isSame(known: object | undefined, now: object | undefined): boolean {
  return known === now || JSON.stringify(known) === JSON.stringify(now);
}
