import { createWeirClient, type WeirClient } from "@weir/api";
import type { ReasonCode } from "@weir/protocol";
import { FakeClock } from "@weir/testkit";
import { expect } from "vitest";
import { AccessExplainer } from "../src/admin/access-explainer.ts";
import { AuditLog } from "../src/admin/audit-log.ts";
import { BackupAdmin } from "../src/admin/backup-admin.ts";
import { EntrySources } from "../src/admin/entry-sources.ts";
import { HistoryReader } from "../src/admin/history-reader.ts";
import { MessageAdmin } from "../src/admin/message-admin.ts";
import { PrincipalSource } from "../src/admin/principal-source.ts";
import { RetainedAdmin } from "../src/admin/retained-admin.ts";
import { type AdminSession, SessionAdmin, type SessionView } from "../src/admin/session-admin.ts";
import { RevocationAdmin } from "../src/admin/revocation-admin.ts";
import { TicketAdmin } from "../src/admin/ticket-admin.ts";
import { TokenAdmin } from "../src/admin/token-admin.ts";
import { isLocalRequest } from "../src/auth/known-host.ts";
import { LoginFailures } from "../src/auth/login-failures.ts";
import { TicketStore } from "../src/auth/ticket-store.ts";
import { TokenAccess } from "../src/auth/token-access.ts";
import type { Principal, PrincipalEnd } from "../src/core/access/principal.ts";
import { createCounters } from "../src/core/ports/telemetry.ts";
import type { PublishOutcome, PublishRequest } from "../src/core/session/broker-core.ts";
import { type MemoryEngine, openMemoryEngine } from "../src/engine/memory/memory-engine.ts";
import { createHttpServer, type HttpServer } from "../src/http/http-server.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { onlyDefault } from "./only-default.ts";

export const ADMIN_KEY = "an admin token of at least 32 characters";
export const MAX_PAYLOAD_BYTES = 1_000;

/** A session as REST needs it, without a core. */
export class FakeSession implements AdminSession {
  readonly id: string;
  readonly principal: Principal;
  isConnected = true;
  ended: PrincipalEnd | undefined;

  constructor(id: string, principal: Principal) {
    this.id = id;
    this.principal = principal;
  }

  get clientId(): string {
    return this.principal.clientId;
  }

  policyChanged(): void {}

  limitsChanged(): void {}

  endChanged(): void {}

  endPrincipal(why: PrincipalEnd): void {
    this.ended = why;
    this.isConnected = false;
  }

  view(): SessionView {
    const { identity, tokenId, tenant, clientId } = this.principal;
    const subscription = {
      filter: "#",
      qos: 1 as const,
      noLocal: false,
      retainAsPublished: false,
      effective: ["data/u1/#"],
    };
    return {
      id: this.id,
      clientId,
      identity,
      ...(tokenId !== undefined && { tokenId }),
      tenant,
      connected: this.isConnected,
      protocolVersion: 5,
      connectedSinceMs: 0,
      sessionExpiryS: 60,
      subscriptions: [subscription],
      queued: 3,
      queuedBytes: 30,
      queuePolicy: "drop-oldest",
      inFlight: 2,
      dropped: 1,
    };
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export interface CallOptions {
  readonly body?: string | Uint8Array;
  readonly headers?: Record<string, string>;
  /** The empty string: none. */
  readonly key?: string;
}

export interface RestFixtureOptions {
  readonly corsOrigins?: readonly string[];
  readonly maxRequestRate?: number;
}

/** REST over real HTTP, with real tokens, and with a core that only notes what it is asked for. */
export class RestFixture {
  readonly clock: FakeClock = new FakeClock({ soon: "immediate" });
  readonly engine: MemoryEngine = openMemoryEngine({ clock: this.clock });
  readonly ended: { id: string; reasonCode: number; forget: boolean }[] = [];
  readonly published: PublishRequest[] = [];
  readonly announced: string[] = [];
  sessions: FakeSession[] = [];
  publishing: () => Promise<PublishOutcome> = async () => ({ kind: "accepted" });
  /** What was logged. */
  output = "";
  isReady = true;
  access!: TokenAccess;
  http!: HttpServer;
  url!: string;
  admin!: WeirClient;
  readonly #options: RestFixtureOptions;
  readonly #logger = createLogger({
    level: "debug",
    stream: { write: (line) => (this.output += line) },
    secrets: [ADMIN_KEY],
  });
  readonly #metrics = new Metrics(
    createCounters,
    {
      connections: () => 7,
      handshakes: () => 0,
      connectsWaiting: () => 0,
      sessions: () => 8,
      subscriptions: () => 9,
      retained: () => 1,
      queued: () => 0,
      logBytes: () => 0,
      isDiskFull: () => false,
      failingProviders: () => 0,
    },
    () => [],
  );

  static async open(options: RestFixtureOptions = {}): Promise<RestFixture> {
    const fixture = new RestFixture(options);
    await fixture.#open();
    return fixture;
  }

  private constructor(options: RestFixtureOptions) {
    this.#options = options;
  }

  /** Another node's. */
  openTokenAccess(): TokenAccess {
    return new TokenAccess({
      kv: (bucket) => this.engine.kv(bucket),
      clock: this.clock,
      logger: this.#logger,
      tenants: onlyDefault,
      anonymous: undefined,
      failures: new LoginFailures({ clock: this.clock, freeFailures: 1_000, slowed: () => {} }),
      tickets: new TicketStore({ clock: this.clock, maxTickets: 10, exceeded: () => {} }),
      sessions: () => this.#directory,
    });
  }

  clientOf(token: string): WeirClient {
    return createWeirClient({ url: this.url, token });
  }

  async close(): Promise<void> {
    await this.http.close();
    await this.access.close();
    this.#metrics.close();
    await this.engine.close();
  }

  async openSession(id: string, key: string, clientId = `client-${id}`): Promise<FakeSession> {
    const outcome = await this.access.authenticator.authenticate({
      peer: { transport: "tcp", address: "127.0.0.1", port: 1 },
      clientId,
      username: undefined,
      authenticationMethod: undefined,
      authenticationData: undefined,
      password: Buffer.from(key),
    });
    if (outcome.kind === "refused") throw new Error(outcome.reason);
    const session = new FakeSession(id, outcome.principal);
    this.sessions.push(session);
    return session;
  }

  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const { body, headers = {}, key = ADMIN_KEY } = options;
    const authorization: Record<string, string> = key === "" ? {} : { authorization: `Bearer ${key}` };
    const response = await fetch(this.url + path, {
      method,
      headers: { ...authorization, ...headers },
      ...(body !== undefined && { body: body as never }),
    });
    const text = await response.text();
    const isJson = text !== "" && /json/.test(response.headers.get("content-type") ?? "");
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? (JSON.parse(text) as unknown) : text,
    };
  }

  readonly #directory = {
    list: () => this.sessions,
    get: (_tenant: string, id: string) => this.sessions.find((session) => session.id === id),
    ofToken: (_tenant: string, tokenId: string) =>
      this.sessions.filter((session) => session.principal.tokenId === tokenId),
    ofPrincipal: (principal: Principal) => this.sessions.find((session) => session.principal === principal),
    prepare: async (principal: Principal) => {
      const session = new FakeSession(`s${this.sessions.length + 1}`, principal);
      this.sessions.push(session);
      return session;
    },
    end: async (session: FakeSession, reasonCode: ReasonCode, forget: boolean) => {
      this.ended.push({ id: session.id, reasonCode, forget });
      session.isConnected = false;
      if (forget) this.sessions = this.sessions.filter((other) => other !== session);
    },
  };

  async #open(): Promise<void> {
    this.access = this.openTokenAccess();
    await this.access.open(ADMIN_KEY);
    this.access.start();
    this.http = await this.#createServer();
    const address = await this.http.listen({ host: "127.0.0.1", port: 0 });
    this.url = `http://127.0.0.1:${address.port}`;
    this.admin = this.clientOf(ADMIN_KEY);
  }

  #createServer(): Promise<HttpServer> {
    const { clock, access } = this;
    const logger = this.#logger;
    const limits = { maxPacketBytes: MAX_PAYLOAD_BYTES, maxTopicBytes: 100, maxTopicLevels: 8 };
    const principals = new PrincipalSource({
      ofToken: (tenant, tokenId, clientId) => access.absentPrincipal(tenant, tokenId, clientId),
      ofClaims: () => undefined,
    });
    const sessions = new SessionAdmin({
      sessions: this.#directory,
      subscriber: { subscribe: async () => ({ kind: "done" }), unsubscribe: async () => 0 },
      principals,
      maxSessionExpiryS: 3_600,
    });
    const none = { get: () => undefined, list: () => [] };
    const core = {
      publish: (request: PublishRequest) => {
        this.published.push(request);
        return this.publishing();
      },
      readableRetained: () => [],
    };
    return createHttpServer({
      version: "0.0.0",
      tokens: new TokenAdmin({
        tokens: access.store,
        sessions,
        clock,
        policies: access.objects.policies,
        tenantName: (id) => id,
      }),
      sessions,
      messages: new MessageAdmin(core, limits),
      histories: new HistoryReader(
        { readHistory: () => Promise.resolve(undefined) },
        { keyOf: () => undefined },
      ),
      retained: new RetainedAdmin({ core, clock, limits }),
      access: new AccessExplainer({
        principals,
        sources: new EntrySources({ tokens: access.store, policies: none, groups: none }),
      }),
      audit: new AuditLog({
        kv: this.engine.kv("audit"),
        clock,
        logger,
        maxEntries: 5,
        tenantName: (id) => id,
        announce: (_tenant, topic) => void this.announced.push(topic),
      }),
      tickets: new TicketAdmin(this.access.tickets),
      revocations: new RevocationAdmin({
        revocations: access.oauth.revocations,
        providers: access.objects.providers,
        clock,
      }),
      backups: new BackupAdmin({ store: undefined, clock, logger }),
      metrics: this.#metrics,
      logger,
      objects: [],
      authorization: {
        authenticate: (authorization, from) => access.authenticator.authenticateCaller(authorization, from),
        tenantId: (name) => (name === "default" ? name : undefined),
        isRestOn: () => true,
        refused: () => {},
      },
      corsOrigins: this.#options.corsOrigins ?? [],
      maxRequestRate: this.#options.maxRequestRate ?? 100_000,
      nowMs: () => clock.nowMs(),
      rateExceeded: () => {},
      readiness: () => ({ ready: this.isReady, problems: this.isReady ? [] : ["sessions still recover"] }),
      isLocal: (request) => isLocalRequest(request, []),
    });
  }
}

/** What a problem looks like. */
export function problem(status: number, code: string, detail?: string): object {
  return {
    status,
    body: expect.objectContaining({ status, code, ...(detail !== undefined && { detail }) }) as object,
  };
}
