import type { ReasonCode as Code, Will } from "@weir/protocol";
import { ReasonCode } from "@weir/protocol";
import { identityKey, type Principal, type PrincipalEnd } from "../access/principal.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import { EngineError, type Owners, type StoredRecord } from "../ports/engine.ts";
import type { Counters, Logger } from "../ports/telemetry.ts";
import { KeyedLock } from "./keyed-lock.ts";
import type { Limits } from "./limits.ts";
import { Reindexer } from "./reindexer.ts";
import { type Attachment, Session, type SessionKeeper } from "./session.ts";
import { sessionKey } from "./session-key.ts";
import type { SessionRecord } from "./session-record.ts";
import type { TenantSpace } from "./tenant-space.ts";
import { TokenIndex } from "./token-index.ts";
import { WillPublisher } from "./will-publisher.ts";

export interface SessionDirectoryOptions {
  readonly owners: Owners;
  /** Throws where there is no such tenant. */
  readonly spaceOf: (tenant: string) => TenantSpace;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly randomId: () => string;
}

/** What CONNECT asks of the directory. */
export interface OpenRequest {
  readonly principal: Principal;
  readonly cleanStart: boolean;
  /** Seconds, already within the broker's bound. */
  readonly expiryS: number;
  readonly will: Will | undefined;
  /** Brings the principal up to date, at once: called just before the session is computed under its policy. */
  readonly refresh: () => void;
  /** Whether the principal may go on with a session that `held` has had. */
  readonly mayResume: (held: Principal) => boolean;
}

type PrepareRequest = Pick<OpenRequest, "principal" | "expiryS" | "will">;

/** How a connection came to its end. */
export type ConnectionEnd = "lost" | "disconnected";

/** One session more than `limits.maxSessions`, or than the tenant's `limits.sessions`, would have to outlive its connection. */
export class SessionLimitError extends EngineError {
  constructor(maxSessions: number) {
    super("overloaded", `there are ${maxSessions} persistent sessions, as many as there may be`);
    this.name = "SessionLimitError";
  }
}

/** The sessions of this node: found, made, resumed, taken over, ended. */
export class SessionDirectory implements SessionKeeper {
  readonly #options: SessionDirectoryOptions;
  readonly #byKey = new Map<string, Session>();
  readonly #byId = new Map<string, Session>();
  readonly #byToken = new TokenIndex();
  readonly #opening = new KeyedLock();
  readonly #expiries = new Map<Session, Timer>();
  readonly #tenants = new Map<string, Set<Session>>();
  readonly #marked = new Set<Session>();
  /** Those whose records name messages that have gone back to share groups, unless they do so no longer. */
  readonly #returning = new Set<Session>();
  /** About to end for it. */
  readonly #overflowed = new WeakSet<Session>();
  /** By key: sessions that have ended and whose records are still being deleted. */
  readonly #ending = new Map<string, Promise<void>>();
  /** Sessions with a record. */
  #keptCount = 0;
  readonly #keptOf = new Map<string, number>();
  readonly #wills: WillPublisher;
  readonly #reindexer: Reindexer;

  constructor(options: SessionDirectoryOptions) {
    this.#options = options;
    this.#wills = new WillPublisher(options.clock, options.logger);
    this.#reindexer = new Reindexer(options.clock);
  }

  get all(): Iterable<Session> {
    return this.#byKey.values();
  }

  get count(): number {
    return this.#byKey.size;
  }

  list(tenant: string): ReadonlySet<Session> {
    return this.#tenants.get(tenant) ?? nobody;
  }

  /** Those whose records name messages that have gone back to share groups. */
  *withShareReturns(tenant: string): Generator<Session, void> {
    this.#noteReturns();
    for (const session of this.#returning) {
      if (!hasShareReturns(session)) this.#returning.delete(session);
      else if (session.tenant === tenant) yield session;
    }
  }

  get(tenant: string, id: string): Session | undefined {
    const session = this.#byId.get(id);
    return session?.tenant === tenant ? session : undefined;
  }

  byKey(key: string): Session | undefined {
    return this.#byKey.get(key);
  }

  ofToken(tenant: string, tokenId: string): Iterable<Session> {
    return this.#byToken.of(tenant, tokenId);
  }

  /** Whether a connection serves the session that the principal would get. */
  isServed({ tenant, identity, clientId }: Principal): boolean {
    return this.#byKey.get(sessionKey(tenant, identity, clientId))?.attachment !== undefined;
  }

  /** The session that a principal has now; undefined: none, or another of its identity has it. */
  ofPrincipal(principal: Principal): Session | undefined {
    const { tenant, identity, clientId } = principal;
    const session = this.#byKey.get(sessionKey(tenant, identity, clientId));
    return session?.principal === principal ? session : undefined;
  }

  /**
   * Finds or makes the session that a CONNECT asks for, ends the connection that has it [MQTT-3.1.4-3], and calls
   * `serve` with it: until that returns, nobody else opens the same session. Rejects with EngineError.
   *
   * @returns false where there is one that the principal may not go on with: it stays as it is
   */
  open(request: OpenRequest, serve: (session: Session, isPresent: boolean) => void): Promise<boolean> {
    const { principal } = request;
    const key = sessionKey(principal.tenant, principal.identity, principal.clientId);
    return this.#opening.run(key, async () => {
      const held = this.#byKey.get(key);
      if (held && !request.mayResume(held.principal)) return false;
      const existing = await this.#takeOver(key, request);
      await this.#ending.get(key); // else its record would go while the new one's is made
      const session = existing ?? this.#create(key, principal);
      await this.#prepareOrLeave(session, request);
      request.refresh();
      if (existing) session.resume(principal);
      serve(session, existing !== undefined);
      return true;
    });
  }

  /**
   * Makes a persistent session whose client has not come yet.
   *
   * @param expiryS above 0, already within the broker's bound
   * @returns undefined: the identity has a session of this client id. Rejects with EngineError
   */
  async prepare(principal: Principal, expiryS: number): Promise<Session | undefined> {
    const key = sessionKey(principal.tenant, principal.identity, principal.clientId);
    let made: Session | undefined;
    await this.#opening.run(key, async () => {
      if (this.#byKey.has(key)) return;
      await this.#ending.get(key);
      made = this.#create(key, principal);
      await this.#prepareOrLeave(made, { principal, expiryS, will: undefined });
      this.#rest(made);
    });
    return made;
  }

  /** The connection is no more: the will and the session's expiry take their course [MQTT-3.1.2-8, -10, -23]. */
  closed(session: Session, attachment: Attachment, how: ConnectionEnd): void {
    if (session.attachment !== attachment) return;
    session.detach();
    if (how === "disconnected") this.#wills.cancel(session);
    this.#rest(session);
  }

  /** The connection that asked for the session was gone before it could be served. */
  abandoned(session: Session): void {
    this.#wills.cancel(session);
    this.#rest(session);
  }

  /** Its connection was refused after all: what was made for it goes, what was there before rests as it was. */
  refused(session: Session, isPresent: boolean): void {
    this.#wills.cancel(session);
    if (isPresent) this.#rest(session);
    else void this.end(session, ReasonCode.notAuthorized, true);
  }

  /** The log's tail has reached a message of QoS 2: its publisher's packet id is in the log now (semantics.md §2.2). */
  logged({ record }: StoredRecord): void {
    const { inbound, publisher } = record;
    if (!inbound) return;
    const session = this.#byKey.get(publisher.sessionKey);
    if (session?.incarnation !== inbound.incarnation) return;
    session.incoming.logged(inbound.packetId);
    session.record?.mark("progress");
  }

  policyChanged(session: Session): void {
    this.#reindexer.add(session);
  }

  recordMarked(session: Session): void {
    this.#marked.add(session);
  }

  /** Its client is told (0x97), and nothing of it is kept: what it has missed it would never know. */
  queueOverflowed(session: Session): void {
    if (this.#overflowed.has(session)) return;
    this.#overflowed.add(session);
    this.#options.logger.warn(
      { session: session.id, queued: session.outgoing.queued },
      "a session's queue is over its bounds: by its policy the session ends",
    );
    // A later turn: the message that was too much is being delivered, to others too
    this.#options.clock.soon(() => void this.end(session, ReasonCode.quotaExceeded, true));
  }

  principalReplaced(session: Session, before: Principal): void {
    this.#byToken.remove(session, before);
    this.#byToken.add(session);
  }

  /** DISCONNECT with the code; with `forget` the session is deleted, else it goes on without a connection. */
  async end(session: Session, reasonCode: Code, forget: boolean): Promise<void> {
    session.attachment?.end(reasonCode);
    if (forget) await this.#opening.run(session.key, () => this.#forget(session));
  }

  /** The principal may do nothing any more (semantics.md §1.9, §1.10). */
  endPrincipal(session: Session, why: PrincipalEnd): void {
    session.principal.ended = why;
    if (why !== "expired") {
      session.stoppedAt = session.router.tailSeq;
      // Else recovery does it, when all that waits has been found
      if (session.router.isRecovered) session.subscriptions.stopCollecting();
    }
    void this.end(
      session,
      why === "expired" ? ReasonCode.maximumConnectTime : ReasonCode.administrativeAction,
      false,
    );
  }

  /** Its tenant is gone, and with it its rights: nothing of the session remains, nor its will. */
  async endForGood(session: Session): Promise<void> {
    if (!session.principal.ended) this.endPrincipal(session, "deleted");
    await this.end(session, ReasonCode.administrativeAction, true);
  }

  /** A session whose record was found at the start: it has no connection. */
  restore(session: Session): void {
    this.#add(session);
    this.#countKept(session.tenant, 1);
    this.#wills.schedule(session, afterCrashS);
    this.#expireLater(session, Math.max(session.expiryS, session.will ? afterCrashS : 0));
  }

  /** A session as CONNECT or recovery needs it, not yet in the directory. */
  build(key: string, id: string, incarnation: string, principal: Principal): Session {
    const { router, counters } = this.#options.spaceOf(principal.tenant);
    return new Session({
      ...this.#options,
      counters,
      id,
      key,
      incarnation,
      principal,
      router,
      keeper: this,
    });
  }

  /** The broker stops: every connection is told, wills without delay are published, and everything due is saved. */
  async stop(): Promise<void> {
    for (const session of this.#byKey.values()) session.attachment?.end(ReasonCode.serverShuttingDown);
    await this.#wills.stop();
    for (const timer of this.#expiries.values()) timer.cancel();
    // What was without a connection before has been saved
    for (const session of this.#byKey.values())
      if (session.isConnected) session.record?.mark("meta", "progress");
    await this.saveMarked();
  }

  /** What was marked and not yet saved. False: some of it could not be saved. */
  async saveMarked(): Promise<boolean> {
    this.#noteReturns();
    const marked = [...this.#marked];
    this.#marked.clear();
    const saved = await Promise.allSettled(marked.map(async (session) => session.record?.saveMarked()));
    return saved.every(({ status }) => status === "fulfilled");
  }

  /** Whatever changes of them marks the record, too. */
  #noteReturns(): void {
    for (const session of this.#marked) if (hasShareReturns(session)) this.#returning.add(session);
  }

  /** The session to resume, its connection ended; undefined: a new one is to be made. */
  async #takeOver(key: string, request: OpenRequest): Promise<Session | undefined> {
    const existing = this.#byKey.get(key);
    if (!existing) return undefined;
    if (existing.stoppedAt !== undefined) await existing.router.recovered;
    existing.attachment?.end(ReasonCode.sessionTakenOver);
    if (existing.hasEnded) return undefined;
    if (existing.expiryS === 0) {
      this.#wills.cancel(existing); // it was kept through a crash for its will alone, and the client is back
      await this.#forget(existing);
      return undefined;
    }
    if (request.cleanStart) {
      await this.#forget(existing); // [MQTT-3.1.2-4]
      return undefined;
    }
    this.#wills.cancel(existing);
    this.#expiries.get(existing)?.cancel();
    this.#expiries.delete(existing);
    return existing;
  }

  #create(key: string, principal: Principal): Session {
    const id = this.#options.randomId();
    return this.build(key, id, id, principal);
  }

  /** Where the engine does not take the session, a new one is not there, and an old one goes on waiting as it was. */
  async #prepareOrLeave(session: Session, request: PrepareRequest): Promise<void> {
    const { expiryS } = session;
    try {
      await this.#prepare(session, request);
    } catch (error) {
      session.expiryS = expiryS;
      this.abandoned(session);
      throw error;
    }
  }

  /** What must be durable before CONNACK: the session, where it outlives its connection, and its will. */
  async #prepare(session: Session, request: PrepareRequest): Promise<void> {
    session.expiryS = request.expiryS;
    session.will = request.will;
    if (!session.record && (request.expiryS > 0 || request.will)) await this.#keep(session);
    if (request.expiryS > 0 && !session.isLogged) session.readLog();
    this.#add(session);
    await session.record?.save("meta", "progress");
  }

  /** In the engine, which has room for so many. */
  async #keep(session: Session): Promise<void> {
    const { owners } = this.#options;
    const { tenant, identity } = session.principal;
    this.#requireRoom(session);
    this.#countKept(tenant, 1);
    try {
      const held = await owners.acquire("session", tenant, session.key, identityKey(tenant, identity));
      session.keepIn(owners, held);
    } catch (error) {
      this.#countKept(tenant, -1);
      throw error;
    }
  }

  #requireRoom({ tenant, router }: Session): void {
    const { maxSessions } = this.#options.limits;
    const maxOfTenant = router.settings.limits.sessions ?? Infinity;
    const { limitReached } = this.#options.spaceOf(tenant).counters;
    if (this.#keptCount >= maxSessions) {
      limitReached["limits.maxSessions"] += 1;
      throw new SessionLimitError(maxSessions);
    }
    if ((this.#keptOf.get(tenant) ?? 0) < maxOfTenant) return;
    limitReached["limits.sessions"] += 1;
    throw new SessionLimitError(maxOfTenant);
  }

  #countKept(tenant: string, change: 1 | -1): void {
    const ofTenant = (this.#keptOf.get(tenant) ?? 0) + change;
    this.#keptCount += change;
    if (ofTenant > 0) this.#keptOf.set(tenant, ofTenant);
    else this.#keptOf.delete(tenant);
  }

  #add(session: Session): void {
    this.#byKey.set(session.key, session);
    let ofTenant = this.#tenants.get(session.tenant);
    if (!ofTenant) this.#tenants.set(session.tenant, (ofTenant = new Set()));
    ofTenant.add(session);
    this.#byId.set(session.id, session);
    this.#byToken.add(session);
  }

  #leaveTenant(session: Session): void {
    const ofTenant = this.#tenants.get(session.tenant);
    if (ofTenant?.delete(session) && ofTenant.size === 0) this.#tenants.delete(session.tenant);
  }

  /** A session without a connection: how long it waits for one. */
  #rest(session: Session): void {
    if (session.expiryS === 0) {
      void this.#forget(session);
      return;
    }
    this.#wills.schedule(session);
    this.#expireLater(session, session.expiryS);
    session.record?.saveThen(["meta", "progress"], () => {});
  }

  #expireLater(session: Session, delayS: number): void {
    const timer = this.#options.clock.after(delayS * 1_000, () => this.#expire(session));
    this.#expiries.set(session, timer);
  }

  #expire(session: Session): void {
    session.expired();
    void this.#forget(session);
  }

  /** The session ends: its will is due [MQTT-3.1.2-8], and nothing else of it remains [MQTT-4.1.0-2]. */
  async #forget(session: Session): Promise<void> {
    if (session.hasEnded) return;
    this.#expiries.get(session)?.cancel();
    this.#expiries.delete(session);
    session.close();
    const willIsOut = this.#wills.publish(session);
    if (this.#byKey.get(session.key) === session) this.#byKey.delete(session.key);
    this.#byId.delete(session.id);
    this.#byToken.remove(session, session.principal);
    this.#leaveTenant(session);
    this.#marked.delete(session);
    this.#returning.delete(session);
    const { key, record } = session;
    if (!record) return willIsOut;
    this.#countKept(session.tenant, -1);
    const ended = willIsOut.then(() => this.#deleteRecord(session, record));
    this.#ending.set(key, ended);
    await ended;
    if (this.#ending.get(key) === ended) this.#ending.delete(key);
  }

  async #deleteRecord(session: Session, record: SessionRecord): Promise<void> {
    await record.close(true).catch((error: unknown) => {
      this.#options.logger.error(
        { session: session.id, error: String(error) },
        "an ended session could not be deleted",
      );
    });
  }
}

function hasShareReturns({ outgoing }: Session): boolean {
  return (outgoing.shareReturns?.entries.length ?? 0) > 0;
}

const nobody: ReadonlySet<Session> = new Set();

/** Seconds that a client has to come back after a crash before its will is published (semantics.md §1.10). */
const afterCrashS = 10;
