import { randomUUID } from "node:crypto";
import type { Principal } from "../core/access/principal.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import type { Kv } from "../core/ports/engine.ts";
import { AccessTokenStore, isSameSettings } from "./access-token-store.ts";
import { ensureAdminToken } from "./admin-token.ts";
import type { AnonymousAccess } from "./anonymous-access.ts";
import { CredentialAuthenticator } from "./credential-authenticator.ts";
import { EffectivePolicy } from "./effective-policy.ts";
import { IdentityObjects } from "./identity-objects.ts";
import { MintedTokens } from "./minted-tokens.ts";
import { OAuthAccess } from "./oauth-access.ts";
import type { LoginFailures } from "./login-failures.ts";
import { PasswordLogins } from "./password-logins.ts";
import { PrincipalExpiry } from "./principal-expiry.ts";
import type { PrincipalSession } from "./principal-session.ts";
import { PrincipalSweep } from "./principal-sweep.ts";
import { SYSTEM_TENANT } from "../core/access/tenant-book.ts";
import type { TenantsOfAccess } from "./tenants-of-access.ts";
import { SlicedWork } from "../core/access/sliced-work.ts";
import type { StoredToken } from "./stored-token.ts";
import type { TicketStore } from "./ticket-store.ts";
import { TokenExpiry } from "./token-expiry.ts";
import { TokenPrincipals } from "./token-principals.ts";

/** What access tokens need of the session directory. */
export interface SessionsOfTokens {
  list(tenant: string): Iterable<ConnectableSession>;
  ofToken(tenant: string, tokenId: string): Iterable<ConnectableSession>;
  /** The session that the principal has now. */
  ofPrincipal(principal: Principal): ConnectableSession | undefined;
}

export interface ConnectableSession extends PrincipalSession {
  readonly isConnected: boolean;
}

export interface TokenAccessOptions {
  /** The engine's buckets by name. */
  readonly kv: (bucket: string) => Kv;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tenants: TenantsOfAccess;
  readonly anonymous: AnonymousAccess | undefined;
  readonly tickets: TicketStore;
  readonly failures: LoginFailures;
  /** The core needs the authenticator before it has sessions: asked when it is needed, never before `start`. */
  readonly sessions: () => SessionsOfTokens;
}

/** All of access, wired: tokens, OAuth providers, anonymous; their authenticator, live changes, expiry. */
export class TokenAccess {
  readonly store: AccessTokenStore;
  readonly objects: IdentityObjects;
  readonly oauth: OAuthAccess;
  readonly authenticator: CredentialAuthenticator;
  readonly tickets: TicketStore;
  readonly #principals: TokenPrincipals;
  readonly #expiry: TokenExpiry;
  readonly #minted: MintedTokens;
  /** The ids of made tokens whose minting token has changed. */
  readonly #following: SlicedWork<string>;
  /** Goes through the sessions after a change that may concern any of them. */
  readonly #sweep: PrincipalSweep;
  readonly #principalExpiry: PrincipalExpiry;
  readonly #options: TokenAccessOptions;

  constructor(options: TokenAccessOptions) {
    const { kv, clock, logger, anonymous, tickets, sessions, tenants } = options;
    const ofToken = (tenant: string, tokenId: string): Iterable<ConnectableSession> =>
      sessions().ofToken(tenant, tokenId);
    this.#options = options;
    this.tickets = tickets;
    this.objects = new IdentityObjects({ kv, clock, logger, randomId: randomUUID });
    this.store = new AccessTokenStore({ kv: kv("tokens"), clock, logger });
    this.#minted = new MintedTokens(this.store, clock);
    this.#following = new SlicedWork(clock, (tokenId) => this.#followMinter(tokenId));
    const effectivePolicy = new EffectivePolicy({
      policyOf: (tenant, name) => this.objects.policies.get(tenant, name),
    });
    this.#principals = new TokenPrincipals({
      clock,
      sessions: { ofToken },
      minted: this.#minted,
      effectivePolicy,
      tenants,
    });
    this.#sweep = new PrincipalSweep({
      clock,
      sessionsOf: (tenant) => sessions().list(tenant),
      follow: (session) => this.#followIn(session),
    });
    this.#principalExpiry = new PrincipalExpiry({
      clock,
      sessionOf: (principal) => sessions().ofPrincipal(principal),
    });
    const onChange = (tenant: string): void => this.#sweep.request(tenant);
    this.oauth = new OAuthAccess({
      objects: this.objects,
      effectivePolicy,
      clock,
      logger,
      tenants,
      onChange,
    });
    this.#expiry = this.#createExpiry(ofToken);
    this.authenticator = new CredentialAuthenticator({
      store: this.store,
      principals: this.#principals,
      minted: this.#minted,
      oauth: this.oauth,
      clock,
      anonymous,
      tickets,
      passwords: new PasswordLogins(this.store),
      failures: options.failures,
      tenants,
      onConnect: (token) => this.#expiry.connected(token),
      onServe: (principal) => this.#principalExpiry.consider(principal),
    });
  }

  #createExpiry(ofToken: SessionsOfTokens["ofToken"]): TokenExpiry {
    const { clock, logger } = this.#options;
    return new TokenExpiry({
      store: this.store,
      principals: this.#principals,
      minted: this.#minted,
      clock,
      logger,
      isConnected: (tenant, tokenId) => some(ofToken(tenant, tokenId), (session) => session.isConnected),
      hasSessions: (tenant, tokenId) => some(ofToken(tenant, tokenId), () => true),
    });
  }

  /**
   * Reads what rights are made of and sees to the admin token, before the core starts.
   *
   * @param adminToken the operator's choice
   * @param onAdminKey called with the admin token's key if it is made now, before it counts
   * @throws {Error} with the remedy, if the operator's choice is too short
   */
  async open(adminToken: string | undefined, onAdminKey?: (key: string) => void): Promise<void> {
    await this.objects.open();
    await this.store.open();
    await this.store.deleteOrphans();
    await ensureAdminToken(this.store, SYSTEM_TENANT, adminToken, onAdminKey);
  }

  /** Lets sessions follow their tokens from now on, those too that the core has recovered. */
  start(): void {
    const { tenants } = this.#options;
    this.oauth.start();
    for (const { id } of tenants.all) this.#followAll(id);
    tenants.onChange((before, after) => {
      if (before && after && before.limitsOfEach !== after.limitsOfEach) this.#sweep.request(after.id);
    });
    this.objects.policies.onChange((changed) => this.#sweep.request(changed));
    this.objects.groups.onChange((changed) => this.#sweep.request(changed));
    this.store.onChange((before, after) => {
      if (before && !(after && isSameSettings(before, after))) this.#follow(before, after);
      if (after) this.#expiry.consider(after);
    });
    this.#expiry.start();
  }

  /**
   * The principal of a token's holder who is not there yet, for a session of this client id.
   *
   * @returns undefined: there is no such token, it has ended, or it may not use the client id
   */
  absentPrincipal(tenant: string, tokenId: string, clientId: string): Principal | undefined {
    const token = this.store.get(tokenId);
    if (token?.tenant !== tenant || !token.enabled) return undefined;
    const use = { address: undefined, origin: undefined, needsOrigin: false, clientId };
    const hasEnded = this.#minted.endMs(token) <= this.#options.clock.nowMs();
    if (hasEnded || this.#minted.whyEnded(token) || this.#minted.refuseUse(token, use)) return undefined;
    return this.#principals.issue(token, use);
  }

  /** The sessions that the core has recovered. */
  #followAll(tenant: string): void {
    for (const session of this.#options.sessions().list(tenant)) {
      this.#followIn(session);
      this.#principalExpiry.consider(session.principal);
    }
  }

  /** Brings one session up to date with whatever its principal comes from. */
  #followIn(session: PrincipalSession): void {
    const { tokenId, provider } = session.principal;
    if (tokenId !== undefined) this.#principals.followIn(session, this.store.get(tokenId));
    else if (provider !== undefined) this.oauth.followIn(session);
    else this.#options.anonymous?.followIn(session);
  }

  #follow(before: StoredToken, after: StoredToken | undefined): void {
    this.#principals.follow(before, after);
    const isMinter = before.mint !== undefined || after?.mint !== undefined;
    if (isMinter) this.#following.add([...this.#minted.madeBy(before)].map((made) => made.id));
  }

  #followMinter(tokenId: string): void {
    const made = this.store.get(tokenId);
    if (!made) return;
    this.#principals.follow(made, made);
    this.#expiry.consider(made);
  }

  /** Removes what a tenant that is gone has left: what its credentials were is worth nothing before. Rejects with EngineError. */
  async removeTenant(tenant: string): Promise<void> {
    await this.store.deleteAll(tenant);
    await this.objects.deleteAll(tenant);
  }

  async close(): Promise<void> {
    this.#expiry.stop();
    this.#principalExpiry.stop();
    this.#sweep.stop();
    this.oauth.stop();
    this.objects.close();
    await this.store.close();
  }
}

function some<T>(items: Iterable<T>, test: (item: T) => boolean): boolean {
  for (const item of items) if (test(item)) return true;
  return false;
}
