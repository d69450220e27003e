import { ReasonCode } from "@weir/protocol";
import type { AccessToken } from "../core/access/access-token.ts";
import type { Identity, Principal } from "../core/access/principal.ts";
import { AdminError, settleInEngine } from "./admin-error.ts";
import { lowestIds, type Page, pageOf } from "./page.ts";
import { type Caller, requireScope } from "./scope.ts";

/** A session as it is shown. */
export interface SessionView {
  readonly id: string;
  readonly clientId: string;
  readonly identity: Identity;
  readonly tenant: string;
  readonly tokenId?: string | undefined;
  readonly address?: string | undefined;
  readonly transport?: string | undefined;
  readonly protocolVersion?: number | undefined;
  readonly connected: boolean;
  readonly connectedSinceMs?: number | undefined;
  readonly principalEndsAtMs?: number | undefined;
  readonly sessionExpiryS: number;
  readonly subscriptions: readonly SubscriptionView[];
  readonly queued: number;
  readonly inFlight: number;
  readonly dropped: number;
}

export interface SubscriptionView {
  readonly filter: string;
  readonly qos: number;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly identifier?: number | undefined;
  readonly effective: readonly string[];
}

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
  end(session: S, reasonCode: ReasonCode, forget: boolean): Promise<void>;
}

/** Which sessions; all that are given must hold. */
export interface SessionFilter {
  readonly clientId?: string;
  readonly subject?: string;
  /** The id of a token. */
  readonly token?: string;
  readonly connected?: boolean;
}

/** What can be done with sessions; needs the scope `admin`, and stays in the caller's tenant. */
export class SessionAdmin<S extends AdminSession = AdminSession> {
  readonly #sessions: AdminSessions<S>;

  constructor(sessions: AdminSessions<S>) {
    this.#sessions = sessions;
  }

  /** In the order of their ids. @throws {AdminError} */
  list(
    caller: Caller,
    filter: SessionFilter,
    page: { readonly cursor: string | undefined; readonly limit: number },
  ): Page<SessionView> {
    requireScope(caller, "admin");
    const found = lowestIds(this.#matching(caller, filter), page.cursor ?? "", page.limit + 1);
    const { items, next } = pageOf(found, page.limit);
    return { items: items.map((session) => session.view()), next };
  }

  /** @throws {AdminError} */
  get(caller: Caller, id: string): SessionView {
    requireScope(caller, "admin");
    return this.#find(caller, id).view();
  }

  /** Disconnects the session's client; the session is deleted unless it is to be kept. @throws {AdminError} */
  async end(caller: Caller, id: string, keep: boolean): Promise<void> {
    requireScope(caller, "admin");
    await this.#end(this.#find(caller, id), !keep);
  }

  /**
   * Ends all that match, one after the other.
   *
   * @returns how many
   * @throws {AdminError} `invalid` without any filter
   */
  async endMany(caller: Caller, filter: SessionFilter, keep: boolean): Promise<number> {
    requireScope(caller, "admin");
    if (!Object.values(filter).some((value) => value !== undefined)) {
      throw new AdminError("invalid", "say which sessions to end: clientId, subject or token");
    }
    const found = [...this.#matching(caller, filter)];
    for (const session of found) await this.#end(session, !keep);
    return found.length;
  }

  ofToken(token: AccessToken): readonly S[] {
    return [...this.#sessions.ofToken(token.tenant, token.id)];
  }

  async deleteAll(sessions: readonly S[]): Promise<void> {
    for (const session of new Set(sessions)) await this.#end(session, true);
  }

  #end(session: S, forget: boolean): Promise<void> {
    return settleInEngine(this.#sessions.end(session, ReasonCode.administrativeAction, forget));
  }

  #find(caller: Caller, id: string): S {
    const session = this.#sessions.get(caller.tenant, id);
    if (!session) throw new AdminError("not-found", "there is no session with this id");
    return session;
  }

  *#matching(caller: Caller, filter: SessionFilter): Generator<S> {
    const { tenant } = caller;
    const { clientId, subject, token, connected } = filter;
    const all = token === undefined ? this.#sessions.list(tenant) : this.#sessions.ofToken(tenant, token);
    for (const session of all) {
      if (clientId !== undefined && session.clientId !== clientId) continue;
      if (subject !== undefined && session.principal.identity.subject !== subject) continue;
      if (connected !== undefined && session.isConnected !== connected) continue;
      yield session;
    }
  }
}
