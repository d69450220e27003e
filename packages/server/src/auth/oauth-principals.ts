import type { Scope } from "../core/access/access-token.ts";
import type { PolicyEntry } from "../core/access/policy-entry.ts";
import { lowestLimits } from "../core/access/principal-limits.ts";
import type { Principal, PrincipalEnd } from "../core/access/principal.ts";
import { Policy } from "../core/access/policy.ts";
import type { Clock } from "../core/ports/clock.ts";
import { compiledPolicy } from "./compiled-policy.ts";
import type { GroupRights, Rights } from "./group-rights.ts";
import { isFor, readClaims } from "./oauth-claims.ts";
import type { JwtSignature, OAuthCredential } from "./oauth-credential.ts";
import type { PrincipalSession } from "./principal-session.ts";
import type { KnownProvider, ProviderDirectory } from "./provider-directory.ts";
import type { RevocationList } from "./revocation-list.ts";
import type { TenantsOfAccess } from "./tenants-of-access.ts";

export interface OAuthPrincipalsOptions {
  readonly clock: Clock;
  readonly providers: ProviderDirectory;
  readonly groups: GroupRights;
  readonly revocations: RevocationList;
  readonly tenants: TenantsOfAccess;
}

/** What a principal was made of. */
interface Origin {
  /** Under which it was last found good. */
  provider: KnownProvider;
  readonly signature: JwtSignature | undefined;
  /** Undefined: not compiled yet. */
  entries: readonly PolicyEntry[] | undefined;
  isBoundToClientId: boolean;
}

/** Makes the principals of JWTs and opaque tokens, and lets them follow what is changed (semantics.md §1.8). */
export class OAuthPrincipals {
  readonly #options: OAuthPrincipalsOptions;
  /** Those that recovery made are not in here at first. */
  readonly #origins = new WeakMap<Principal, Origin>();

  constructor(options: OAuthPrincipalsOptions) {
    this.#options = options;
  }

  /** Whether the credential's realm, subject, key or claims were revoked after it was issued. */
  isRevoked({ provider, claims, read, signature }: OAuthCredential): boolean {
    const { tenant } = provider;
    const { subject, jti, issuedAtMs } = read;
    const realm = realmOf(provider);
    const kid = signature?.kid;
    return this.#options.revocations.isRevoked({ tenant, realm, subject, jti, kid, claims, issuedAtMs });
  }

  /** A principal for one connection, or for calls over REST (without a client id). */
  issue({ provider, claims, read, signature }: OAuthCredential, clientId: string): Principal {
    const { tenant, object } = provider;
    const principal: Principal = {
      tenant,
      identity: { realm: realmOf(provider), subject: read.subject },
      clientId,
      policy: Policy.nothing,
      policyVersion: 0,
      endsAtMs: read.expiresAtMs,
      provider: object.name,
      providerId: object.id,
      issuer: object.value.issuer,
      ...(signature?.kid !== undefined && { keyId: signature.kid }),
      ...(read.jti !== undefined && { jti: read.jti }),
      issuedAtMs: read.issuedAtMs,
      groups: read.groups,
      claims,
    };
    const origin = originOf(provider, signature);
    this.#origins.set(principal, origin);
    this.#update(principal, origin);
    return principal;
  }

  /** What a principal was made of, if that would still be accepted; undefined: it would not. */
  credentialOf(principal: Principal): OAuthCredential | undefined {
    const { claims } = principal;
    if (!claims || this.#endOf(principal)) return undefined;
    const origin = this.#originOf(principal);
    const read = origin && readClaims(origin.provider.object.value, claims, this.#options.clock.nowMs());
    if (!origin || typeof read !== "object") return undefined;
    const { provider, signature } = origin;
    return { provider, claims, read, ...(signature && { signature }) };
  }

  /** What its groups let a principal do over REST, as of now. */
  scopesOf(principal: Principal): readonly Scope[] {
    return this.#rightsOf(principal).scopes;
  }

  /** Lets one session follow what its provider, its groups, their policies and the revocations say now. */
  followIn(session: PrincipalSession): void {
    const { principal } = session;
    const end = this.#endOf(principal);
    if (end === undefined) {
      if (principal.ended) return;
      const { limits } = principal;
      if (this.#follow(principal)) session.policyChanged();
      if (principal.limits !== limits) session.limitsChanged();
    } else if (principal.ended === undefined || (principal.ended === "expired" && end !== "expired")) {
      session.endPrincipal(end);
    }
  }

  /** Brings a principal up to date that no session may have yet. */
  refresh(principal: Principal): void {
    if (principal.ended) return;
    const end = this.#endOf(principal);
    if (end) principal.ended = end;
    else this.#follow(principal);
  }

  #follow(principal: Principal): boolean {
    const origin = this.#originOf(principal);
    return origin !== undefined && this.#update(principal, origin);
  }

  /** Whether the policy is another one now. */
  #update(principal: Principal, origin: Origin): boolean {
    const { entries, limits } = this.#rightsOf(principal);
    const ofTenant = this.#options.tenants.byId(principal.tenant)?.limitsOfEach;
    principal.limits = ofTenant ? lowestLimits([limits, ofTenant]) : limits;
    const isBoundToClientId = origin.provider.object.value.clientIdClaim !== undefined;
    if (entries === origin.entries && isBoundToClientId === origin.isBoundToClientId) return false;
    Object.assign(origin, { entries, isBoundToClientId });
    const before = principal.policy;
    principal.policy = compiledPolicy(entries, {
      subject: principal.identity.subject,
      // Free to choose, it would choose whose data it reads: left empty, it fails closed (semantics.md §1.1).
      clientId: isBoundToClientId ? principal.clientId : "",
      claims: principal.claims ?? {},
    });
    if (principal.policy === before) return false;
    principal.policyVersion++;
    return true;
  }

  #rightsOf({ tenant, provider = "", groups = [] }: Principal): Rights {
    return this.#options.groups.of(tenant, provider, groups);
  }

  /** After a restart what was saved of it stands for the credential. */
  #originOf(principal: Principal): Origin | undefined {
    const known = this.#origins.get(principal);
    if (known) return known;
    const provider = this.#options.providers.get(principal.tenant, principal.provider ?? "");
    if (!provider) return undefined;
    const origin = originOf(provider, undefined);
    this.#origins.set(principal, origin);
    return origin;
  }

  #endOf(principal: Principal): PrincipalEnd | undefined {
    const { providers, clock, revocations, tenants } = this.#options;
    const { tenant, identity, provider: name = "", claims = {}, issuedAtMs = 0, jti, keyId: kid } = principal;
    const provider = providers.get(tenant, name);
    if (!provider || provider.object.id !== principal.providerId || !tenants.byId(tenant)) return "deleted";
    if (principal.endsAtMs <= clock.nowMs()) return "expired";
    const origin = this.#origins.get(principal);
    if (origin?.provider !== provider && !this.#isStillAccepted(principal, provider, origin?.signature))
      return "revoked";
    if (origin) origin.provider = provider;
    // An opaque token has no key; recovery does not know which key it was, only its name.
    const isSigned = origin ? origin.signature !== undefined : kid !== undefined;
    if (isSigned && provider.keys.stateOf(origin?.signature?.thumbprint, kid) === "gone") return "revoked";
    const { realm, subject } = identity;
    return revocations.isRevoked({ tenant, realm, subject, jti, kid, claims, issuedAtMs })
      ? "revoked"
      : undefined;
  }

  /** Whether a provider that was changed would take the same credential for the same identity. */
  #isStillAccepted(
    principal: Principal,
    provider: KnownProvider,
    signature: JwtSignature | undefined,
  ): boolean {
    const { identity, clientId, claims = {} } = principal;
    const { issuer, audience, algorithms } = provider.object.value;
    if (principal.issuer !== issuer) return false;
    if (claims["aud"] !== undefined && !isFor(audience, claims["aud"])) return false;
    if (signature && !algorithms.includes(signature.algorithm)) return false;
    const read = readClaims(provider.object.value, claims, this.#options.clock.nowMs());
    if (typeof read === "string") return false;
    if (realmOf(provider) !== identity.realm || read.subject !== identity.subject) return false;
    if (read.clientIds && clientId !== "" && !read.clientIds.includes(clientId)) return false;
    principal.groups = read.groups; // the claim that names them may be another one now
    return true;
  }
}

function originOf(provider: KnownProvider, signature: JwtSignature | undefined): Origin {
  return { provider, signature, entries: undefined, isBoundToClientId: false };
}

/** The provider's own id where it has no other realm: nobody of another provider is the same. */
function realmOf({ object }: KnownProvider): string {
  return object.value.realm ?? object.id;
}
