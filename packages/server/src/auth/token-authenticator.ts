import { ReasonCode } from "@weir/protocol";
import type { Caller } from "../core/access/access-token.ts";
import type { Authentication, Authenticator, Credentials } from "../core/access/authenticator.ts";
import type { Principal } from "../core/access/principal.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { AccessTokenStore } from "./access-token-store.ts";
import type { AnonymousAccess } from "./anonymous-access.ts";
import type { MintedTokens } from "./minted-tokens.ts";
import type { StoredToken } from "./stored-token.ts";
import type { TokenPrincipals } from "./token-principals.ts";
import type { TokenUse, UseRefusal } from "./token-use.ts";

export interface TokenAuthenticatorOptions {
  readonly store: AccessTokenStore;
  readonly principals: TokenPrincipals;
  readonly minted: MintedTokens;
  readonly clock: Clock;
  readonly anonymous: AnonymousAccess | undefined;
  /** A connection with this token begins. */
  onConnect(token: StoredToken): void;
}

export interface CallerAddress {
  readonly address: string;
  readonly origin: string | undefined;
}

const BEARER = /^bearer +(\S.*)$/i;

/** Lets in who shows the key of an access token (product.md, "Credentials of a connection"). */
export class TokenAuthenticator implements Authenticator {
  readonly #options: TokenAuthenticatorOptions;
  readonly #callers = new WeakMap<StoredToken, Principal>();

  constructor(options: TokenAuthenticatorOptions) {
    this.#options = options;
  }

  // oxlint-disable-next-line typescript/require-await -- the port is a promise, for providers that ask others
  async authenticate(credentials: Credentials): Promise<Authentication> {
    if (credentials.authenticationMethod !== undefined)
      return refused(ReasonCode.badAuthenticationMethod, "method");
    const key = shownKey(credentials);
    const token = key === undefined ? undefined : this.#findUsable(key);
    if (token) return this.#admit(token, connectionUse(credentials));
    if (this.#options.anonymous) return this.#options.anonymous.authenticate(credentials);
    return key === undefined
      ? refused(ReasonCode.notAuthorized, "none")
      : refused(ReasonCode.badUserNameOrPassword, "bad-credential");
  }

  refresh(principal: Principal): void {
    const { tokenId } = principal;
    if (tokenId !== undefined) this.#options.principals.refresh(principal, this.#options.store.get(tokenId));
  }

  mayResume(held: Principal, by: Principal): boolean {
    return this.#options.minted.mayResume(held, by);
  }

  /**
   * Who calls over REST, or undefined for a key that is wrong or may not be used from there. Never anonymous.
   *
   * @param authorization the Authorization header
   * @param from the caller's address, and the Origin header where there is one
   */
  // oxlint-disable-next-line typescript/require-await -- the port is a promise, for providers that ask others
  async authenticateCaller(
    authorization: string | undefined,
    from: CallerAddress,
  ): Promise<Caller | undefined> {
    const key = bearerKey(authorization);
    const token = key === undefined ? undefined : this.#findUsable(key);
    const { address, origin } = from;
    const use: TokenUse = { address, origin, needsOrigin: false, clientId: undefined };
    if (!token || this.#options.minted.refuseUse(token, use)) return undefined;
    this.#options.store.touch(token);
    let principal = this.#callers.get(token);
    if (!principal) this.#callers.set(token, (principal = this.#options.principals.issue(token, use)));
    return { token, principal, scopes: token.scopes };
  }

  /** Unknown, wrong, disabled, expired look alike to who shows the key (semantics.md §1.15). */
  #findUsable(key: string | Uint8Array): StoredToken | undefined {
    const { store, minted, clock } = this.#options;
    const token = store.findByKey(key);
    if (!token?.enabled || minted.endMs(token) <= clock.nowMs()) return undefined;
    return minted.whyEnded(token) === undefined ? token : undefined;
  }

  #admit(token: StoredToken, use: TokenUse): Authentication {
    const refusal = this.#options.minted.refuseUse(token, use);
    if (refusal) return refused(REFUSALS[refusal], refusal);
    this.#options.store.touch(token);
    this.#options.onConnect(token);
    return { kind: "accepted", principal: this.#options.principals.issue(token, use) };
  }
}

const REFUSALS: Readonly<Record<UseRefusal, ReasonCode>> = {
  "client-id": ReasonCode.clientIdentifierNotValid,
  origin: ReasonCode.notAuthorized,
  network: ReasonCode.notAuthorized,
};

/** A password is the only credential; else the user name is; else what came with the WebSocket's upgrade. */
function shownKey(credentials: Credentials): string | Uint8Array | undefined {
  const { password, username, peer } = credentials;
  return password ?? username ?? bearerKey(peer.upgrade?.authorization);
}

/** The key in an `Authorization` header, or undefined if it holds none. As bytes: Node shows each as one character. */
function bearerKey(authorization: string | undefined): Uint8Array | undefined {
  const key = authorization === undefined ? undefined : BEARER.exec(authorization)?.[1];
  return key === undefined ? undefined : Buffer.from(key.trimEnd(), "latin1");
}

function connectionUse({ peer, clientId }: Credentials): TokenUse {
  const needsOrigin = peer.transport === "ws" || peer.transport === "wss";
  return { address: peer.address, origin: peer.upgrade?.origin, needsOrigin, clientId };
}

function refused(reasonCode: ReasonCode, reason: string): Authentication {
  return { kind: "refused", reasonCode, reason };
}
