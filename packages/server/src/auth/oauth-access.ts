import type { Scope } from "../core/access/access-token.ts";
import type { Principal } from "../core/access/principal.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import { type BoundedRequest, fetchJson } from "./bounded-fetch.ts";
import type { EffectivePolicy } from "./effective-policy.ts";
import { GroupRights } from "./group-rights.ts";
import type { IdentityObjects } from "./identity-objects.ts";
import { Introspector } from "./introspector.ts";
import { looksLikeJwt } from "./jwt-header.ts";
import { JwtVerifier } from "./jwt-verifier.ts";
import { type Claims, isFor, type OAuthRefusal, readClaims } from "./oauth-claims.ts";
import type { OAuthCredential } from "./oauth-credential.ts";
import { OAuthPrincipals } from "./oauth-principals.ts";
import type { PrincipalSession } from "./principal-session.ts";
import { ProviderDirectory } from "./provider-directory.ts";
import { RevocationList } from "./revocation-list.ts";
import type { TenantsOfAccess } from "./tenants-of-access.ts";

export interface OAuthAccessOptions {
  readonly objects: IdentityObjects;
  readonly effectivePolicy: EffectivePolicy;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tenants: TenantsOfAccess;
  /** The tenant's sessions have to be looked at: a provider accepts less, a key is gone, something was revoked. */
  readonly onChange: (tenant: string) => void;
}

const JWKS_TIMEOUT_MS = 5_000;
const MAX_JWKS_BYTES = 262_144;

/** All of access by OAuth providers, wired: JWTs, opaque tokens, their principals, revocations. */
export class OAuthAccess {
  readonly revocations: RevocationList;
  readonly #providers: ProviderDirectory;
  readonly #verifier: JwtVerifier;
  readonly #introspector: Introspector;
  readonly #principals: OAuthPrincipals;
  readonly #options: OAuthAccessOptions;

  constructor(options: OAuthAccessOptions) {
    const { objects, effectivePolicy, clock, logger, tenants, onChange } = options;
    this.#options = options;
    this.#providers = new ProviderDirectory({
      objects: objects.providers,
      clock,
      logger,
      fetchJson: fetchKeys,
      onChange,
    });
    this.revocations = new RevocationList(objects.revocations, clock, logger);
    this.#verifier = new JwtVerifier(this.#providers, clock);
    this.#introspector = new Introspector({ clock, logger, fetchJson });
    this.#principals = new OAuthPrincipals({
      clock,
      providers: this.#providers,
      groups: new GroupRights({ groups: objects.groups, policies: objects.policies, effectivePolicy }),
      revocations: this.revocations,
      tenants,
    });
  }

  /** Call when the objects are known. */
  start(): void {
    this.#providers.start();
    this.revocations.start(this.#options.onChange);
  }

  stop(): void {
    this.#providers.stop();
    this.revocations.stop();
  }

  /** What is wrong with the providers, in words. */
  get problems(): readonly string[] {
    return this.#providers.problems;
  }

  /**
   * Whom a credential stands for. Never rejects.
   *
   * @param clientId with which it is shown; undefined: over REST
   * @returns undefined: it is none of any provider
   */
  async authenticate(
    text: string,
    clientId: string | undefined,
  ): Promise<Principal | OAuthRefusal | undefined> {
    const credential = await this.#verify(text);
    if (credential === undefined || typeof credential === "string") return credential;
    return this.#admit(credential, clientId);
  }

  /**
   * Whoever has these claims and is not there yet.
   *
   * @returns undefined: there is no such provider
   * @throws {Error} saying why a JWT with these claims would not be accepted
   */
  absentPrincipal(tenant: string, name: string, claims: Claims, clientId: string): Principal | undefined {
    const provider = this.#providers.get(tenant, name);
    if (!provider) return undefined;
    const { audience, maxLifetimeS } = provider.object.value;
    const nowMs = this.#options.clock.nowMs();
    const nowS = Math.floor(nowMs / 1_000);
    const complete = { iat: nowS, exp: nowS + maxLifetimeS, ...claims };
    if (claims["aud"] !== undefined && !isFor(audience, claims["aud"])) throw new Error("jwt-audience");
    const read = readClaims(provider.object.value, complete, nowMs);
    if (typeof read === "string") throw new Error(read);
    const admitted = this.#admit({ provider, claims: complete, read }, clientId);
    if (typeof admitted === "string") throw new Error(admitted);
    return admitted;
  }

  /**
   * A principal of the same credential as another, as it would be let in now: for tickets.
   *
   * @returns undefined: it would not
   */
  readmit(principal: Principal, clientId: string): Principal | OAuthRefusal | undefined {
    const credential = this.#principals.credentialOf(principal);
    return credential && this.#admit(credential, clientId);
  }

  /** What the principal may do over REST, as of now. */
  scopesOf(principal: Principal): readonly Scope[] {
    return this.#principals.scopesOf(principal);
  }

  refresh(principal: Principal): void {
    this.#principals.refresh(principal);
  }

  followIn(session: PrincipalSession): void {
    this.#principals.followIn(session);
  }

  async #verify(text: string): Promise<OAuthCredential | OAuthRefusal | undefined> {
    if (looksLikeJwt(text)) return this.#verifier.verify(text);
    const provider = this.#providers.findByPrefix(text);
    return provider && this.#introspector.introspect(text, provider);
  }

  #admit(credential: OAuthCredential, clientId: string | undefined): Principal | OAuthRefusal {
    if (!this.#options.tenants.byId(credential.provider.tenant)) return "jwt-issuer";
    const { clientIds } = credential.read;
    if (clientIds && clientId !== undefined && !clientIds.includes(clientId)) return "client-id";
    if (this.#principals.isRevoked(credential)) return "jwt-revoked";
    return this.#principals.issue(credential, clientId ?? "");
  }
}

function fetchKeys(url: string): Promise<unknown> {
  const request: BoundedRequest = { url, timeoutMs: JWKS_TIMEOUT_MS, maxBytes: MAX_JWKS_BYTES };
  return fetchJson(request);
}
