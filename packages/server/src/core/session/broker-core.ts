import type { MessageProperties, Qos } from "@weir/protocol";
import { ReasonCode } from "@weir/protocol";
import type { Authenticator } from "../access/authenticator.ts";
import type { HistoryDeclaration } from "../history/history-declaration.ts";
import type { Principal } from "../access/principal.ts";
import { systemTenant, type Tenant } from "../access/tenant-book.ts";
import type { Clock } from "../ports/clock.ts";
import type { Engine } from "../ports/engine.ts";
import type { Message, Publisher } from "../ports/message.ts";
import type { Counters, Logger } from "../ports/telemetry.ts";
import type { Link, Peer } from "../ports/transport.ts";
import type { Router } from "../routing/router.ts";
import { Checkpoint } from "./checkpoint.ts";
import { Client } from "./client.ts";
import type { ClientServices } from "./client-services.ts";
import { type HistoryPage, type HistoryRequest, readHistory } from "./history-page.ts";
import type { Limits } from "./limits.ts";
import { isWithinLimits, refusalOf, refusalText, tooManyRetained } from "./publish-rules.ts";
import { recoverTenant } from "./recovery.ts";
import { readableRetained } from "./retained-delivery.ts";
import { RemoteSubscriber } from "./remote-subscriber.ts";
import type { Session } from "./session.ts";
import { SessionDirectory } from "./session-directory.ts";
import { isTransportOn, type TenantSpace } from "./tenant-space.ts";
import { TenantSpaces } from "./tenant-spaces.ts";

export interface CoreOptions {
  readonly engine: Engine;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly logger: Logger;
  /** At least 128 random bits, as text that may stand in a URL. */
  readonly randomId: () => string;
  readonly limits: Limits;
  /** Those that there are at the start; later ones are told by `addTenant`. Only `default` where it is left out. */
  readonly tenants?: () => Iterable<Tenant>;
  /** The histories that are in force at the start; later ones are told by `declareHistory`. */
  readonly histories?: () => Iterable<DeclaredHistory>;
}

/** A history as somebody has declared it, under a key that is never used for another one. */
export interface DeclaredHistory {
  readonly tenant: string;
  readonly key: string;
  readonly declaration: HistoryDeclaration;
}

/** A publish that comes by no MQTT connection: REST (with a principal, whose rights count) or the broker itself. */
export interface PublishRequest {
  readonly tenant: string;
  readonly principal?: Principal;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties?: MessageProperties;
  /** Seconds. */
  readonly expiryS?: number;
}

export type PublishOutcome =
  | { readonly kind: "accepted" }
  | {
      readonly kind: "refused";
      readonly reasonCode: ReasonCode;
      readonly reason: string;
      /** Milliseconds until it may be accepted, where it is too much at once. */
      readonly waitMs?: number;
    };

const broker: Publisher = { sessionKey: "", realm: "", subject: "", clientId: "" };

/** How long `stop` waits for what the engine has been given. */
const drainMs = 5_000;

/** Sessions that are looked at in one turn of the event loop, after a change of their tenant. */
const sliceSessions = 50;

/** The broker without its sockets and stores: clients come by links, durable state by the engine. */
export class BrokerCore {
  readonly sessions: SessionDirectory;
  readonly remoteSubscriber: RemoteSubscriber;
  readonly #options: CoreOptions;
  readonly #spaces: TenantSpaces;
  readonly #services: ClientServices;
  readonly #checkpoint: Checkpoint;
  readonly #clients = new Set<Client>();
  readonly #onGone = (client: Client): void => void this.#clients.delete(client);
  #isServing = false;

  constructor(options: CoreOptions) {
    this.#options = options;
    const spaceOf = (tenant: string): TenantSpace => this.#spaces.get(tenant);
    this.sessions = new SessionDirectory({ ...options, owners: options.engine.owners, spaceOf });
    this.#services = {
      ...options,
      directory: this.sessions,
      spaceOf,
      isServing: () => this.#isServing,
      connectionCount: () => this.#clients.size,
      isDiskFull: () => options.engine.health().isFull,
    };
    this.remoteSubscriber = new RemoteSubscriber(this.#services);
    this.#spaces = new TenantSpaces(options, (counters) => ({ ...this.#services, counters }));
    const routers = (): readonly Router[] => this.#routers;
    this.#checkpoint = new Checkpoint({ ...options, directory: this.sessions, routers });
  }

  /** Network connections, whether or not their CONNECT was accepted yet. */
  get connectionCount(): number {
    return this.#clients.size;
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  /** False: what waits for persistent sessions is still being looked for. */
  get isRecovered(): boolean {
    return this.#routers.every((router) => router.isRecovered);
  }

  /** Recovers what the engine has; CONNECT is answered when this resolves. The outboxes follow. */
  async start(): Promise<void> {
    for (const tenant of this.#options.tenants?.() ?? [systemTenant]) this.#open(tenant);
    for (const router of this.#routers) await router.histories.load();
    for (const history of this.#options.histories?.() ?? []) this.declareHistory(history);
    for (const router of this.#routers) await router.histories.save();
    for (const router of this.#routers) await this.#recover(router);
    this.#checkpoint.start();
    this.#isServing = true;
  }

  async #recover(router: Router): Promise<void> {
    const { engine } = this.#options;
    const rebuildOutboxes = await recoverTenant({ router, engine, directory: this.sessions });
    void rebuildOutboxes().then(() => this.#startTail(router), ignoreClosed);
  }

  // ---------------------------------------------------------------- tenants

  /** A new tenant is served from now on. Resolves when its log flows; rejects with EngineError. */
  addTenant(tenant: Tenant): Promise<void> {
    return this.#recover(this.#open(tenant));
  }

  /** Its settings count from now on; connections by ways that are switched off end (0x98), in slices. */
  async changeTenant(tenant: Tenant): Promise<void> {
    this.#spaces.get(tenant.id).router.settings = tenant.settings;
    await this.#forEachSession(tenant.id, async ({ attachment }) => {
      if (attachment && !isTransportOn(tenant, attachment.peer.transport))
        attachment.end(ReasonCode.administrativeAction);
      else attachment?.limitsChanged();
    });
  }

  /** Ends all that is of it: connections (0x98) and sessions; nothing of it is written any more when this resolves. */
  async removeTenant(id: string): Promise<void> {
    const { router } = this.#spaces.get(id);
    while (this.sessions.list(id).size > 0)
      await this.#forEachSession(id, (session) => this.sessions.endForGood(session));
    router.stop();
    this.#spaces.remove(id);
    await this.#checkpoint.forget(id);
  }

  /** Undefined: there is no such tenant. */
  space(tenant: string): TenantSpace | undefined {
    return this.#spaces.find(tenant);
  }

  /** Of each tenant. */
  get spaces(): Iterable<TenantSpace> {
    return this.#spaces.all;
  }

  /** What was counted, whosever it was. */
  get totals(): Counters {
    return this.#spaces.totals;
  }

  get #routers(): readonly Router[] {
    return [...this.#spaces.all].map(({ router }) => router);
  }

  #open(tenant: Tenant): Router {
    const { router } = this.#spaces.find(tenant.id) ?? this.#spaces.add(tenant);
    router.settings = tenant.settings;
    return router;
  }

  async #forEachSession(tenant: string, visit: (session: Session) => Promise<void>): Promise<void> {
    let slice: Promise<void>[] = [];
    for (const session of this.sessions.list(tenant)) {
      slice.push(visit(session));
      if (slice.length < sliceSessions) continue;
      await Promise.all(slice);
      slice = [];
      await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
    }
    await Promise.all(slice);
  }

  #startTail(router: Router): void {
    router.startTail((stored) => this.sessions.logged(stored));
    for (const session of this.sessions.list(router.tenant)) if (session.isConnected) session.pump();
  }

  /** A network connection has come; the counterpart is `Client.closed`. */
  connect(link: Link, peer: Peer): Client {
    const client = new Client(link, peer, this.#services, this.#onGone);
    this.#clients.add(client);
    return client;
  }

  /** Resolves after the engine's promise; rejects with EngineError. */
  async publish(request: PublishRequest): Promise<PublishOutcome> {
    const { principal, tenant, qos, retain, properties } = request;
    if (principal && !isWithinLimits(request.topic, this.#options.limits)) {
      return {
        kind: "refused",
        reasonCode: ReasonCode.topicNameInvalid,
        reason: "not a topic name within the limits",
      };
    }
    const { router, usage } = this.#spaces.get(tenant);
    const topic = router.topic(request.topic);
    const attempt = { topic, qos, retain, responseTopic: properties?.responseTopic };
    const refusal = principal && refusalOf(principal.policy, attempt);
    if (refusal !== undefined) {
      this.#options.counters.publishDenied += 1;
      return { kind: "refused", reasonCode: ReasonCode.notAuthorized, reason: refusalText[refusal] };
    }
    if (principal && retain && !router.retainedView.hasRoomFor({ topic, payload: request.payload })) {
      this.#options.counters.limitReached["limits.maxRetainedMessages"] += 1;
      return { kind: "refused", reasonCode: ReasonCode.quotaExceeded, reason: tooManyRetained };
    }
    const waitMs = (principal && usage.meterOf(principal)?.take(request.payload.length)) ?? 0;
    if (waitMs > 0)
      return { kind: "refused", reasonCode: ReasonCode.quotaExceeded, reason: "too much a second", waitMs };
    await router.publish(router.attributed(this.#messageOf(request, router)));
    return { kind: "accepted" };
  }

  /** The retained messages that a filter matches and the principal may read, each once. */
  readableRetained(principal: Principal, topicFilter: string): Iterable<Message> {
    return readableRetained(this.#routerOf(principal.tenant), principal, topicFilter);
  }

  /** From now on every message on its topics is logged, and kept as long as it says. */
  declareHistory({ tenant, key, declaration }: DeclaredHistory): void {
    this.#spaces.find(tenant)?.router.declareHistory(key, declaration);
  }

  /** Resolves when it is durable since when each history of the tenant is in force: a crash then forgets none of it. */
  async saveHistories(tenant: string): Promise<void> {
    await this.#spaces.find(tenant)?.router.histories.save();
  }

  /** What the principal may replay of a history; undefined: `since` is none. Rejects with EngineError. */
  async readHistory(
    { tenant, policy }: Principal,
    key: string,
    request: HistoryRequest,
  ): Promise<HistoryPage | undefined> {
    const router = this.#routerOf(tenant);
    const history = router.histories.get(key);
    const nowMs = this.#options.clock.nowMs();
    return history && readHistory({ router, history, policy, nowMs }, request);
  }

  withdrawHistory(tenant: string, key: string): void {
    this.#spaces.find(tenant)?.router.withdrawHistory(key);
  }

  retainedCount(tenant: string): number {
    return this.#routerOf(tenant).retained.count;
  }

  /** Subscriptions of all sessions of the tenant, connected or not. */
  subscriptionCount(tenant: string): number {
    let count = 0;
    for (const session of this.sessions.list(tenant)) count += session.subscriptions.size;
    return count;
  }

  /** Drains: acknowledgements that are due leave, every client is told, what is due is saved, links close. */
  async stop(): Promise<void> {
    this.#isServing = false;
    for (const client of this.#clients) client.link.pause(true);
    await this.#options.engine.drain(drainMs);
    await this.sessions.stop();
    for (const client of this.#clients) client.close();
    await this.#checkpoint.stop();
    for (const router of this.#routers) router.stop();
  }

  #routerOf(tenant: string): Router {
    return this.#spaces.get(tenant).router;
  }

  #messageOf(request: PublishRequest, router: Router): Message {
    const { principal, payload, qos, retain, properties, expiryS } = request;
    return {
      topic: router.topic(request.topic),
      payload,
      qos,
      retain,
      properties,
      expiresAtMs: expiryS === undefined ? Infinity : this.#options.clock.nowMs() + expiryS * 1_000,
      publisher: principal ? { ...principal.identity, sessionKey: "", clientId: "" } : broker,
      frames: undefined,
    };
  }
}

/** The engine was closed meanwhile: the next start does it. */
function ignoreClosed(): void {}
