import { ReasonCode } from "@weir/protocol";
import type { Caller } from "../core/access/access-token.ts";
import {
  type Authentication,
  type Authenticator,
  type Credentials,
  TOKEN_METHOD,
} from "../core/access/authenticator.ts";
import type { Principal } from "../core/access/principal.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { AccessTokenStore } from "./access-token-store.ts";
import type { AnonymousAccess } from "./anonymous-access.ts";
import type { MintedTokens } from "./minted-tokens.ts";
import type { LoginFailures } from "./login-failures.ts";
import type { OAuthAccess } from "./oauth-access.ts";
import type { OAuthRefusal } from "./oauth-claims.ts";
import type { PasswordLogins } from "./password-logins.ts";
import type { StoredToken } from "./stored-token.ts";
import type { TenantsOfAccess } from "./tenants-of-access.ts";
import type { TicketStore } from "./ticket-store.ts";
import type { TokenPrincipals } from "./token-principals.ts";
import type { TokenUse, UseRefusal } from "./token-use.ts";

export interface CredentialAuthenticatorOptions {
  readonly store: AccessTokenStore;
  readonly principals: TokenPrincipals;
  readonly minted: MintedTokens;
  readonly oauth: OAuthAccess;
  readonly clock: Clock;
  readonly anonymous: AnonymousAccess | undefined;
  readonly tickets: TicketStore;
  readonly passwords: PasswordLogins;
  readonly failures: LoginFailures;
  readonly tenants: TenantsOfAccess;
  /** A connection with this token begins. */
  onConnect(token: StoredToken): void;
  /** A principal that has an end of its own is about to serve a session. */
  onServe(principal: Principal): void;
}

/** Why a call over REST is refused: a short stable word for metrics and the log. */
export interface CallerRefusal {
  readonly reason: string;
}

export interface CallerAddress {
  readonly address: string;
  readonly origin: string | undefined;
}

const BEARER = /^bearer +(\S.*)$/i;

/** Lets in who shows an access token, a JWT, or an opaque token (product.md, "Credentials of a connection"). */
export class CredentialAuthenticator implements Authenticator {
  readonly #options: CredentialAuthenticatorOptions;
  readonly #callers = new WeakMap<StoredToken, Principal>();

  constructor(options: CredentialAuthenticatorOptions) {
    this.#options = options;
  }

  async authenticate(credentials: Credentials): Promise<Authentication> {
    const { authenticationMethod: method } = credentials;
    if (method !== undefined && method !== TOKEN_METHOD)
      return refused(ReasonCode.badAuthenticationMethod, "method");
    const { peer } = credentials;
    const ticket = peer.upgrade?.ticket;
    const outcome = ticket === undefined ? await this.#check(credentials) : this.#redeem(ticket, credentials);
    if (outcome.kind === "accepted" || !isUnknown(outcome)) return outcome;
    // Who names a method wants to be somebody: nobody is made anonymous by it, least of all by a renewal.
    const isNobody = method === undefined && ticket === undefined;
    const anonymous = isNobody ? this.#options.anonymous : undefined;
    if (anonymous) return anonymous.authenticate(credentials);
    if (outcome !== none) await this.#options.failures.slow(peer.address);
    return outcome;
  }

  refresh(principal: Principal): void {
    const { principals, store, oauth } = this.#options;
    if (principal.tokenId !== undefined) principals.refresh(principal, store.get(principal.tokenId));
    else if (principal.provider !== undefined) {
      oauth.refresh(principal);
      this.#options.onServe(principal);
    }
  }

  mayResume(held: Principal, by: Principal): boolean {
    return this.#options.minted.mayResume(held, by);
  }

  /**
   * Who calls over REST, or why the credential is refused. Never anonymous.
   *
   * @param authorization the Authorization header
   * @param from the caller's address, and the Origin header where there is one
   */
  async authenticateCaller(
    authorization: string | undefined,
    from: CallerAddress,
  ): Promise<Caller | CallerRefusal> {
    const shown = bearerCredential(authorization);
    if (shown === undefined) return { reason: none.reason };
    const token = this.#findUsable(shown);
    const caller = token ? this.#tokenCaller(token, from) : await this.#oauthCaller(shown);
    if ("reason" in caller) await this.#options.failures.slow(from.address);
    return caller;
  }

  #tokenCaller(token: StoredToken, { address, origin }: CallerAddress): Caller | CallerRefusal {
    const { minted, store, principals } = this.#options;
    const use: TokenUse = { address, origin, needsOrigin: false, clientId: undefined };
    const refusal = minted.refuseUse(token, use);
    if (refusal) return { reason: refusal };
    store.touch(token);
    let principal = this.#callers.get(token);
    if (principal) principals.refresh(principal, token);
    else this.#callers.set(token, (principal = principals.issue(token, use)));
    return { token, principal, scopes: token.scopes };
  }

  async #oauthCaller(shown: Uint8Array): Promise<Caller | CallerRefusal> {
    const { oauth } = this.#options;
    const principal = await oauth.authenticate(textOf(shown), undefined);
    if (typeof principal !== "object") return { reason: principal ?? unknown.reason };
    return { principal, scopes: oauth.scopesOf(principal) };
  }

  async #check(credentials: Credentials): Promise<Authentication> {
    const { passwords } = this.#options;
    const login = loginOf(credentials);
    const shown = shownCredential(credentials);
    if (shown === undefined) return none;
    if (login && passwords.isKnown(login.username)) return this.#checkNamed(login, shown, credentials);
    const outcome = await this.#checkBearer(shown, credentials);
    // A name that nobody has takes as long as a wrong password (semantics.md §1.15).
    if (login && outcome.kind === "refused" && isUnknown(outcome))
      await passwords.check(login.username, login.password);
    return outcome;
  }

  /** A user name of one tenant takes no credential away from the others, whose clients may send any (product.md). */
  async #checkNamed(login: Login, shown: Uint8Array, credentials: Credentials): Promise<Authentication> {
    const { passwords } = this.#options;
    const tenant = this.#findUsable(shown)?.tenant;
    if (tenant !== undefined && !passwords.isKnown(login.username, tenant))
      return this.#checkBearer(shown, credentials);
    const named = await this.#logIn(login, credentials);
    // A mistyped password is shown to no issuer: only what has the form of a JWT is taken for one.
    if (named.kind === "accepted" || !isUnknown(named) || !JWT_FORM.test(login.password)) return named;
    const bearer = await this.#checkBearer(shown, credentials);
    const isOfThatTenant =
      bearer.kind === "accepted" && passwords.isKnown(login.username, bearer.principal.tenant);
    return isOfThatTenant ? unknown : bearer;
  }

  async #logIn({ username, password }: Login, credentials: Credentials): Promise<Authentication> {
    const outcome = await this.#options.passwords.check(username, password);
    if (outcome.kind === "busy") return refused(ReasonCode.serverBusy, "busy");
    // As of now: while it was checked, the token may have been changed.
    const token = outcome.kind === "right" ? this.#options.store.get(outcome.token.id) : undefined;
    const isRight = token?.passwordVerifier !== undefined && token.username === username;
    return isRight && this.#isUsable(token) ? this.#admit(token, connectionUse(credentials)) : unknown;
  }

  async #checkBearer(shown: Uint8Array, credentials: Credentials): Promise<Authentication> {
    const token = this.#findUsable(shown);
    if (token) return this.#admit(token, connectionUse(credentials));
    return outcomeOf(await this.#options.oauth.authenticate(textOf(shown), credentials.clientId));
  }

  /** A ticket stands for the principal that asked for it, as far as that would be let in now; nothing else counts. */
  #redeem(ticket: string, credentials: Credentials): Authentication {
    const { tickets, store, oauth } = this.#options;
    const { peer, clientId, authenticationMethod } = credentials;
    const holder = tickets.redeem(ticket, peer.upgrade?.origin);
    if (authenticationMethod !== undefined || shownCredential(credentials) !== undefined)
      return refused(ReasonCode.notAuthorized, "ticket-and-credential");
    if (!holder) return refused(ReasonCode.badUserNameOrPassword, "ticket");
    if (holder.tokenId === undefined) return outcomeOf(oauth.readmit(holder, clientId));
    const token = store.get(holder.tokenId);
    return token && this.#isUsable(token) ? this.#admit(token, connectionUse(credentials)) : unknown;
  }

  /** Unknown, wrong, disabled, expired look alike to who shows the key (semantics.md §1.15). */
  #findUsable(key: Uint8Array): StoredToken | undefined {
    const token = this.#options.store.findByKey(key);
    return token && this.#isUsable(token) ? token : undefined;
  }

  #isUsable(token: StoredToken): boolean {
    const { minted, clock, tenants } = this.#options;
    if (!tenants.byId(token.tenant)) return false;
    return token.enabled && minted.endMs(token) > clock.nowMs() && minted.whyEnded(token) === undefined;
  }

  #admit(token: StoredToken, use: TokenUse): Authentication {
    const refusal = this.#options.minted.refuseUse(token, use);
    if (refusal) return refused(TOKEN_CODES[refusal], refusal);
    this.#options.store.touch(token);
    this.#options.onConnect(token);
    return { kind: "accepted", principal: this.#options.principals.issue(token, use) };
  }
}

type Refused = Authentication & { readonly kind: "refused" };

const none: Refused = refused(ReasonCode.notAuthorized, "none");
const unknown: Refused = refused(ReasonCode.badUserNameOrPassword, "bad-credential");

const TOKEN_CODES: Readonly<Record<UseRefusal, ReasonCode>> = {
  "client-id": ReasonCode.clientIdentifierNotValid,
  origin: ReasonCode.notAuthorized,
  network: ReasonCode.notAuthorized,
};

/** Whatever is wrong with a JWT, its holder hears the same; but not that it is wrong where nobody can tell. */
const OAUTH_CODES: Readonly<Partial<Record<OAuthRefusal, ReasonCode>>> = {
  "client-id": ReasonCode.clientIdentifierNotValid,
  "jwt-keys-unavailable": ReasonCode.serverUnavailable,
  "introspection-unavailable": ReasonCode.serverUnavailable,
};

/** Nothing valid was shown, as opposed to something that may not be used here. */
function isUnknown(outcome: Refused): boolean {
  return outcome === none || outcome.reasonCode === unknown.reasonCode;
}

const JWT_FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/;

interface Login {
  readonly username: string;
  readonly password: string;
}

function loginOf({ authenticationMethod, username, password }: Credentials): Login | undefined {
  if (authenticationMethod !== undefined || username === undefined || password === undefined)
    return undefined;
  return { username, password: Buffer.from(password).toString("utf8") };
}

/** The method's data, or a password is the only credential; else the user name is; else what came with the upgrade. */
function shownCredential(credentials: Credentials): Uint8Array | undefined {
  const { authenticationMethod, authenticationData, password, username, peer } = credentials;
  if (authenticationMethod !== undefined) return authenticationData;
  if (password !== undefined) return password;
  if (username !== undefined) return Buffer.from(username);
  return bearerCredential(peer.upgrade?.authorization);
}

/** What an `Authorization` header holds, if it is a bearer's. As bytes: Node shows each as one character. */
function bearerCredential(authorization: string | undefined): Uint8Array | undefined {
  const found = authorization === undefined ? undefined : BEARER.exec(authorization)?.[1];
  return found === undefined ? undefined : Buffer.from(found.trimEnd(), "latin1");
}

function textOf(shown: Uint8Array): string {
  return Buffer.from(shown.buffer, shown.byteOffset, shown.byteLength).toString("latin1");
}

function connectionUse({ peer, clientId }: Credentials): TokenUse {
  const needsOrigin = peer.transport === "ws" || peer.transport === "wss";
  return { address: peer.address, origin: peer.upgrade?.origin, needsOrigin, clientId };
}

function outcomeOf(admitted: Principal | OAuthRefusal | undefined): Authentication {
  if (typeof admitted === "object") return { kind: "accepted", principal: admitted };
  return admitted === undefined ? unknown : refused(OAUTH_CODES[admitted] ?? unknown.reasonCode, admitted);
}

function refused(reasonCode: ReasonCode, reason: string): Refused {
  return { kind: "refused", reasonCode, reason };
}
