import type { Clock } from "../core/ports/clock.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import type { Kv } from "../core/ports/engine.ts";
import { AccessTokenStore, isSameSettings } from "./access-token-store.ts";
import { ensureAdminToken } from "./admin-token.ts";
import type { AnonymousAccess } from "./anonymous-access.ts";
import { MintedTokens } from "./minted-tokens.ts";
import { SlicedWork } from "./sliced-work.ts";
import { TokenAuthenticator } from "./token-authenticator.ts";
import type { StoredToken } from "./stored-token.ts";
import { TokenExpiry } from "./token-expiry.ts";
import { TokenPrincipals, type TokenSession } from "./token-principals.ts";

/** What access tokens need of the session directory. */
export interface SessionsOfTokens {
  list(tenant: string): Iterable<ConnectableSession>;
  ofToken(tenant: string, tokenId: string): Iterable<ConnectableSession>;
}

export interface ConnectableSession extends TokenSession {
  readonly isConnected: boolean;
}

export interface TokenAccessOptions {
  /** The engine's bucket `tokens`. */
  readonly kv: Kv;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tenant: string;
  readonly anonymous: AnonymousAccess | undefined;
  /** The core needs the authenticator before it has sessions: asked when it is needed, never before `start`. */
  readonly sessions: () => SessionsOfTokens;
}

/** All of access by tokens, wired: store, authenticator, live changes, expiry. */
export class TokenAccess {
  readonly store: AccessTokenStore;
  readonly authenticator: TokenAuthenticator;
  readonly #principals: TokenPrincipals;
  readonly #expiry: TokenExpiry;
  readonly #minted: MintedTokens;
  /** The ids of made tokens whose minting token has changed. */
  readonly #following: SlicedWork<string>;
  readonly #options: TokenAccessOptions;

  constructor(options: TokenAccessOptions) {
    const { kv, clock, logger, anonymous, sessions } = options;
    const ofToken = (tenant: string, tokenId: string): Iterable<ConnectableSession> =>
      sessions().ofToken(tenant, tokenId);
    this.#options = options;
    this.store = new AccessTokenStore({ kv, clock, logger });
    this.#minted = new MintedTokens(this.store, clock);
    this.#following = new SlicedWork(clock, (tokenId) => this.#followMinter(tokenId));
    this.#principals = new TokenPrincipals({ clock, sessions: { ofToken }, minted: this.#minted });
    this.#expiry = new TokenExpiry({
      store: this.store,
      principals: this.#principals,
      minted: this.#minted,
      clock,
      logger,
      isConnected: (tenant, tokenId) => some(ofToken(tenant, tokenId), (session) => session.isConnected),
      hasSessions: (tenant, tokenId) => some(ofToken(tenant, tokenId), () => true),
    });
    this.authenticator = new TokenAuthenticator({
      store: this.store,
      principals: this.#principals,
      minted: this.#minted,
      clock,
      anonymous,
      onConnect: (token) => this.#expiry.connected(token),
    });
  }

  /**
   * Reads the tokens and sees to the admin token, before the core starts.
   *
   * @param adminToken the operator's choice
   * @returns the admin token's key if it was made now
   * @throws {Error} with the remedy, if the operator's choice is too short
   */
  async open(adminToken: string | undefined): Promise<string | undefined> {
    await this.store.open();
    await this.store.deleteOrphans();
    return ensureAdminToken(this.store, this.#options.tenant, adminToken);
  }

  /** Lets sessions follow their tokens from now on, those too that the core has recovered. */
  start(): void {
    const { sessions, tenant, anonymous } = this.#options;
    for (const session of sessions().list(tenant)) {
      const { tokenId } = session.principal;
      if (tokenId === undefined) anonymous?.followIn(session);
      else this.#principals.followIn(session, this.store.get(tokenId));
    }
    this.store.onChange((before, after) => {
      if (before && !(after && isSameSettings(before, after))) this.#follow(before, after);
      if (after) this.#expiry.consider(after);
    });
    this.#expiry.start();
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

  async close(): Promise<void> {
    this.#expiry.stop();
    await this.store.close();
  }
}

function some<T>(items: Iterable<T>, test: (item: T) => boolean): boolean {
  for (const item of items) if (test(item)) return true;
  return false;
}
