import { type AccessToken, bindsClientId, TOKEN_REALM } from "../core/access/access-token.ts";
import type { MintTemplate } from "../core/access/mint-template.ts";
import type { Policy } from "../core/access/policy.ts";
import type { PolicyEntry } from "../core/access/policy-entry.ts";
import { intersectPolicies } from "../core/access/policy-intersection.ts";
import type { Principal, PrincipalEnd } from "../core/access/principal.ts";
import { lowestLimits, type PrincipalLimits } from "../core/access/principal-limits.ts";
import type { Clock } from "../core/ports/clock.ts";
import { compiledPolicy } from "./compiled-policy.ts";
import type { EffectivePolicy } from "./effective-policy.ts";
import type { MintedTokens } from "./minted-tokens.ts";
import type { PrincipalSession } from "./principal-session.ts";
import type { TenantsOfAccess } from "./tenants-of-access.ts";
import type { TokenUse } from "./token-use.ts";

export interface TokenSessions {
  /** Allows for sessions that end while they are gone through. */
  ofToken(tenant: string, tokenId: string): Iterable<PrincipalSession>;
}

/** What the policy of a principal was compiled from. */
interface Rights {
  readonly entries: readonly PolicyEntry[];
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
  readonly effectivePolicy: EffectivePolicy;
  readonly tenants: TenantsOfAccess;
}

/** Makes the principals of tokens, and lets them follow when their token changes (semantics.md §1.8). */
export class TokenPrincipals {
  readonly #clock: Clock;
  readonly #sessions: TokenSessions;
  readonly #minted: MintedTokens;
  readonly #effectivePolicy: EffectivePolicy;
  readonly #tenants: TenantsOfAccess;
  /** Those that recovery made are not in here at first: their policy is taken for outdated. */
  readonly #origins = new WeakMap<Principal, Origin>();

  constructor({ clock, sessions, minted, effectivePolicy, tenants }: TokenPrincipalsOptions) {
    this.#tenants = tenants;
    this.#clock = clock;
    this.#sessions = sessions;
    this.#minted = minted;
    this.#effectivePolicy = effectivePolicy;
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
      limits: this.#limitsOf(token, rights),
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
  followIn(session: PrincipalSession, token: AccessToken | undefined): void {
    const { principal } = session;
    const end = this.#endOf(principal, token);
    if (end === undefined) {
      if (token && !principal.ended) this.#updateIn(session, token);
    } else if (principal.ended === undefined || (principal.ended === "expired" && end !== "expired")) {
      session.endPrincipal(end);
    }
  }

  #updateIn(session: PrincipalSession, token: AccessToken): void {
    const { endsAtMs, limits } = session.principal;
    if (this.#update(session.principal, token)) session.policyChanged();
    if (session.principal.limits !== limits) session.limitsChanged();
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
    if (!token || !this.#tenants.byId(token.tenant)) return "deleted";
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
    principal.limits = this.#limitsOf(token, rights);
    if (origin && areSameRights(origin, rights)) return false;
    this.#origins.set(principal, { use: origin?.use, ...rights });
    const policy = policyOf(token, rights, principal.clientId);
    if (origin && policy === principal.policy) return false;
    principal.policy = policy;
    principal.policyVersion++;
    return true;
  }

  #limitsOf(token: AccessToken, { template }: Rights): PrincipalLimits {
    const ofTenant = this.#tenants.byId(token.tenant)?.limitsOfEach;
    const others = [template?.limits, token.limits, ofTenant].filter((limits) => limits !== undefined);
    return others.length > 1 ? lowestLimits(others) : token.limits;
  }

  #rightsOf(token: AccessToken): Rights {
    return { entries: this.#effectivePolicy.entriesOf(token), template: this.#minted.templateOf(token) };
  }
}

/** Its own and its template's at once (semantics.md §1.11). */
function policyOf(token: AccessToken, { entries, template }: Rights, clientId: string): Policy {
  const { subject, id: tokenId, clientIds } = token;
  const isBound = bindsClientId(clientIds) || (template !== undefined && bindsClientId(template.clientIds));
  // Free to choose, it would choose whose data it reads: left empty, it fails closed (semantics.md §1.1).
  const values = { subject, clientId: isBound ? clientId : "", tokenId };
  const own = compiledPolicy(entries, values);
  return template ? intersection(own, compiledPolicy(template.acl, values)) : own;
}

/** A thousand connections of a made token share one policy. */
const intersections = new WeakMap<Policy, { readonly bound: Policy; readonly policy: Policy }>();

function intersection(own: Policy, bound: Policy): Policy {
  const known = intersections.get(own);
  if (known?.bound === bound) return known.policy;
  const policy = intersectPolicies(own, bound);
  intersections.set(own, { bound, policy });
  return policy;
}

/** Another list of equal entries gives the same policy, which tells it without a look at them for each connection. */
function areSameRights(known: Rights, now: Rights): boolean {
  return known.entries === now.entries && known.template === now.template;
}
