import { ReasonCode } from "@weir/protocol";
import type { AccessToken } from "../core/access/access-token.ts";
import type { Principal } from "../core/access/principal.ts";
import type { RemoteOutcome, RemoteSubscription } from "../core/session/remote-subscriber.ts";
import type { SessionView } from "../core/session/session-view.ts";
import { AdminError, type AdminErrorCode, settleInEngine } from "./admin-error.ts";
import { lowestIds, type Page, pageOf } from "./page.ts";
import type { AbsentHolder, PrincipalSource } from "./principal-source.ts";
import type { Caller } from "./scope.ts";
import { reachesPrincipal, reachOf, type TokenReach } from "./token-reach.ts";

export type { SessionView, SubscriptionView } from "../core/session/session-view.ts";

/** What is needed of a session. */
export interface AdminSession {
  readonly id: string;
  readonly clientId: string;
  readonly principal: Principal;
  readonly isConnected: boolean;
  view(): SessionView;
}

/** What is needed of the core's session directory. */
export interface AdminSessions<S extends AdminSession = AdminSession> {
  list(tenant: string): Iterable<S>;
  get(tenant: string, id: string): S | undefined;
  ofToken(tenant: string, tokenId: string): Iterable<S>;
  /** Makes a session whose client has not come yet; undefined: there is one of that identity and client id. */
  prepare(principal: Principal, expiryS: number): Promise<S | undefined>;
  end(session: S, reasonCode: ReasonCode, forget: boolean): Promise<void>;
}

/** What subscribes a session in the place of its client. */
export interface SessionSubscriber<S extends AdminSession = AdminSession> {
  subscribe(session: S, requests: readonly RemoteSubscription[]): Promise<RemoteOutcome>;
  unsubscribe(session: S, topicFilters: readonly string[]): Promise<number>;
}

/** Which sessions; all that are given must hold. */
export interface SessionFilter {
  readonly clientId?: string;
  readonly subject?: string;
  /** The id of a token. */
  readonly token?: string;
  readonly issuer?: string;
  /** The id of the key that signed the JWT. */
  readonly kid?: string;
  /** What the JWT's claims say of groups. */
  readonly group?: string;
  readonly connected?: boolean;
}

/** A subscription as it is asked for. */
export interface SubscriptionCommand {
  readonly filter: string;
  readonly qos?: 0 | 1 | 2;
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly retainHandling?: 0 | 1 | 2;
  readonly identifier?: number;
}

/** A session that is to be there before its client. */
export interface SessionCommand extends AbsentHolder {
  readonly clientId: string;
  /** Seconds. */
  readonly sessionExpiry?: number;
  readonly subscriptions?: readonly SubscriptionCommand[];
}

export interface SessionAdminOptions<S extends AdminSession> {
  readonly sessions: AdminSessions<S>;
  readonly subscriber: SessionSubscriber<S>;
  readonly principals: PrincipalSource;
  /** Seconds. */
  readonly maxSessionExpiryS: number;
}

/**
 * What can be done with sessions; needs the scope `sessions`, and stays in the caller's tenant; or a minting token, and
 * stays among the sessions of the tokens that it made (semantics.md §1.11).
 */
export class SessionAdmin<S extends AdminSession = AdminSession> {
  readonly #options: SessionAdminOptions<S>;

  constructor(options: SessionAdminOptions<S>) {
    this.#options = options;
  }

  /** In the order of their ids. @throws {AdminError} */
  list(
    caller: Caller,
    filter: SessionFilter,
    page: { readonly cursor: string | undefined; readonly limit: number },
  ): Page<SessionView> {
    const found = lowestIds(this.#matching(caller, filter), page.cursor ?? "", page.limit + 1);
    const { items, next } = pageOf(found, page.limit);
    return { items: items.map((session) => session.view()), next };
  }

  /** @throws {AdminError} */
  get(caller: Caller, id: string): SessionView {
    return this.#find(caller, id).view();
  }

  /**
   * Makes a persistent session with its subscriptions: what they match is kept for its client from now on.
   *
   * @throws {AdminError} `conflict` where the identity has a session of this client id, `acl` for a filter that its
   * principal may not read: then there is no session
   */
  async create(caller: Caller, command: SessionCommand): Promise<SessionView> {
    const reach = reachOf(caller, "sessions");
    const { principals, sessions, maxSessionExpiryS } = this.#options;
    const { clientId, sessionExpiry = Infinity, subscriptions = [] } = command;
    const principal = principals.principalOf(caller.tenant, command, clientId);
    if (!reachesPrincipal(reach, principal)) throw new AdminError("not-found", "there is no such token");
    const requests = subscriptions.map(requestOf);
    const expiryS = Math.min(sessionExpiry, principal.limits?.sessionExpiryS ?? Infinity, maxSessionExpiryS);
    if (expiryS === 0) throw new AdminError("conflict", "its sessions may not outlive a connection");
    const session = await settleInEngine(sessions.prepare(principal, expiryS));
    if (!session) throw new AdminError("conflict", "there is a session of this identity and client id");
    try {
      await this.#subscribe(session, requests);
    } catch (error) {
      await this.#end(session, true);
      throw error;
    }
    return session.view();
  }

  /** All of them or none. @throws {AdminError} `acl` for a filter that the session's principal may not read */
  async subscribe(
    caller: Caller,
    id: string,
    subscriptions: readonly SubscriptionCommand[],
  ): Promise<SessionView> {
    const session = this.#find(caller, id);
    await this.#subscribe(session, subscriptions.map(requestOf));
    return session.view();
  }

  /** @returns how many of them there were. @throws {AdminError} */
  async unsubscribe(caller: Caller, id: string, filters: readonly string[]): Promise<number> {
    const session = this.#find(caller, id);
    return settleInEngine(this.#options.subscriber.unsubscribe(session, filters));
  }

  /** Disconnects the session's client; the session is deleted unless it is to be kept. @throws {AdminError} */
  async end(caller: Caller, id: string, keep: boolean): Promise<void> {
    await this.#end(this.#find(caller, id), !keep);
  }

  /**
   * Ends all that match, many at a time, so that one flush of the engine serves them together.
   *
   * @returns how many
   * @throws {AdminError} `invalid` without any filter
   */
  async endMany(caller: Caller, filter: SessionFilter, keep: boolean): Promise<number> {
    if (!Object.values(filter).some((value) => value !== undefined)) {
      throw new AdminError(
        "invalid",
        "say which sessions to end: clientId, subject, token, issuer, kid or group",
      );
    }
    const found = [...this.#matching(caller, filter)];
    await this.#endAll(found, !keep);
    return found.length;
  }

  ofToken(token: AccessToken): readonly S[] {
    return [...this.#options.sessions.ofToken(token.tenant, token.id)];
  }

  async deleteAll(sessions: readonly S[]): Promise<void> {
    await this.#endAll([...new Set(sessions)], true);
  }

  async #subscribe(session: S, requests: readonly RemoteSubscription[]): Promise<void> {
    if (requests.length === 0) return;
    const outcome = await settleInEngine(this.#options.subscriber.subscribe(session, requests));
    if (outcome.kind === "refused") {
      const [code, text] = refusalOf(outcome.reasonCode);
      throw new AdminError(code, `${outcome.topicFilter}: ${text}`);
    }
  }

  async #endAll(sessions: readonly S[], forget: boolean): Promise<void> {
    for (let at = 0; at < sessions.length; at += ENDED_AT_A_TIME) {
      const batch = sessions.slice(at, at + ENDED_AT_A_TIME);
      await Promise.all(batch.map((session) => this.#end(session, forget)));
    }
  }

  #end(session: S, forget: boolean): Promise<void> {
    return settleInEngine(this.#options.sessions.end(session, ReasonCode.administrativeAction, forget));
  }

  #find(caller: Caller, id: string): S {
    const reach = reachOf(caller, "sessions");
    const session = this.#options.sessions.get(caller.tenant, id);
    if (!session || !reachesPrincipal(reach, session.principal))
      throw new AdminError("not-found", "there is no session with this id");
    return session;
  }

  #matching(caller: Caller, filter: SessionFilter): Iterable<S> {
    const { sessions } = this.#options;
    const reach = reachOf(caller, "sessions");
    const { tenant } = caller;
    const { token } = filter;
    const all = token === undefined ? sessions.list(tenant) : sessions.ofToken(tenant, token);
    return matching(all, filter, reach);
  }
}

const ENDED_AT_A_TIME = 256;

function* matching<S extends AdminSession>(
  sessions: Iterable<S>,
  filter: SessionFilter,
  reach: TokenReach,
): Generator<S> {
  const { clientId, subject, issuer, kid, group, connected } = filter;
  for (const session of sessions) {
    const { principal } = session;
    if (!reachesPrincipal(reach, principal)) continue;
    if (clientId !== undefined && session.clientId !== clientId) continue;
    if (subject !== undefined && principal.identity.subject !== subject) continue;
    if (issuer !== undefined && principal.issuer !== issuer) continue;
    if (kid !== undefined && principal.keyId !== kid) continue;
    if (group !== undefined && !principal.groups?.includes(group)) continue;
    if (connected !== undefined && session.isConnected !== connected) continue;
    yield session;
  }
}

function requestOf(command: SubscriptionCommand): RemoteSubscription {
  const { filter, qos = 0, noLocal = false, retainAsPublished = false, retainHandling = 0 } = command;
  const { identifier } = command;
  return { topicFilter: filter, qos, noLocal, retainAsPublished, retainHandling, identifier };
}

function refusalOf(reasonCode: ReasonCode): readonly [AdminErrorCode, string] {
  switch (reasonCode) {
    case ReasonCode.topicFilterInvalid:
      return ["invalid", "is no topic filter within the limits"];
    case ReasonCode.quotaExceeded:
      return ["conflict", "is one more than the session may have"];
    default:
      return ["acl", "the session's own principal may not subscribe to any of it"];
  }
}
