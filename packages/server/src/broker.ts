import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AccessExplainer } from "./admin/access-explainer.ts";
import { AuditLog } from "./admin/audit-log.ts";
import { BackupAdmin } from "./admin/backup-admin.ts";
import { type GroupReferences, groupObjects } from "./admin/group-objects.ts";
import { EntrySources } from "./admin/entry-sources.ts";
import { historyObjects } from "./admin/history-objects.ts";
import { HistoryReader } from "./admin/history-reader.ts";
import { MessageAdmin } from "./admin/message-admin.ts";
import { PrincipalSource } from "./admin/principal-source.ts";
import { RetainedAdmin } from "./admin/retained-admin.ts";
import { ObjectAdmin } from "./admin/object-admin.ts";
import { policyObjects } from "./admin/policy-objects.ts";
import { providerObjects } from "./admin/provider-objects.ts";
import { RevocationAdmin } from "./admin/revocation-admin.ts";
import { SessionAdmin } from "./admin/session-admin.ts";
import { TicketAdmin } from "./admin/ticket-admin.ts";
import { TokenAdmin } from "./admin/token-admin.ts";
import { AnonymousAccess } from "./auth/anonymous-access.ts";
import { isLocalRequest } from "./auth/known-host.ts";
import { LoginFailures } from "./auth/login-failures.ts";
import { findUnboundHolder } from "./auth/policy-holders.ts";
import { TicketStore } from "./auth/ticket-store.ts";
import { TokenAccess } from "./auth/token-access.ts";
import { SystemClock } from "./clock/system-clock.ts";
import type { Config, LogLevel } from "./config/config.ts";
import { SteadyAdmission } from "./connection/admission.ts";
import { ConnectionHost } from "./connection/connection-host.ts";
import type { Clock } from "./core/ports/clock.ts";
import type { Engine } from "./core/ports/engine.ts";
import { createCounters, type Counters, type Logger } from "./core/ports/telemetry.ts";
import { BrokerCore } from "./core/session/broker-core.ts";
import type { SessionDirectory } from "./core/session/session-directory.ts";
import { HistoryBook } from "./core/session/history-book.ts";
import type { Limits } from "./core/session/limits.ts";
import { BackupFolder } from "./engine/embedded/backup-folder.ts";
import { prepareDataDirectory } from "./engine/embedded/data-directory.ts";
import { EmbeddedEngine, openEmbeddedEngine } from "./engine/embedded/embedded-engine.ts";
import type { LogLimits } from "./engine/embedded/log/log-limits.ts";
import { openMemoryEngine } from "./engine/memory/memory-engine.ts";
import { createHttpServer, type HttpServer } from "./http/http-server.ts";
import type { ObjectUseCases } from "./http/object-routes.ts";
import type { BrokerGauges } from "./telemetry/broker-gauges.ts";
import { createLogger, type LogStream } from "./telemetry/logger.ts";
import { Metrics } from "./telemetry/metrics.ts";
import { DEFAULT_SYS_INTERVAL_MS, SysTopics } from "./telemetry/sys-topics.ts";
import { TcpTransport } from "./transports/tcp-transport.ts";
import { TlsTransport } from "./transports/tls-transport.ts";
import type { Transport, TransportOptions } from "./transports/transport.ts";
import { WebSocketTransport } from "./transports/websocket-transport.ts";

/** What a test or another program may give instead of what the configuration asks for. */
export interface BrokerAdapters {
  /** The operator's choice of the admin token: any text of at least 32 characters. */
  readonly adminToken?: string | undefined;
  /** Where the log goes; the process' stderr by default. */
  readonly logStream?: LogStream;
  /** For tests that move the time themselves; the system's by default. Whoever gives one closes it. */
  readonly clock?: Clock;
  /** Called with the admin token's key where one is made, before it counts: if this throws there is no token, and no start. */
  readonly onAdminKey?: (key: string) => void;
  /** The store has failed: nothing is acknowledged any more. End the process; the next start goes on from what was flushed. */
  readonly onFatal?: (error: Error) => void;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface BrokerAddresses {
  readonly mqtt: ListenAddress;
  readonly mqttTls: ListenAddress | undefined;
  /** REST, and MQTT over WebSocket at `/mqtt`. */
  readonly http: ListenAddress & { readonly isTls: boolean };
}

export interface StartedBroker {
  readonly addresses: BrokerAddresses;
}

/** A broker in this process. */
export interface Broker {
  /**
   * Recovers, then listens. Rejects with the remedy in its message if the data directory cannot be used, a port is taken,
   * a certificate cannot be used, or the admin token is too short; everything is closed then.
   */
  start(): Promise<StartedBroker>;
  /** Serves a file from memory on the HTTP port, also while running. Not before `start`. */
  addPage(path: string, contentType: string, body: string | Uint8Array): void;
  setLogLevel(level: LogLevel): void;
  /**
   * Drains: stops accepting and reading, sends the acks that are due, DISCONNECT 0x8B to all, and closes. Never rejects
   * for what clients do; resolves when all is closed.
   */
  close(): Promise<void>;
}

const TENANT = "default";
const RECOVERING = "what waits for persistent sessions is still being looked for in the log";
/** Of the embedded engine, in the data directory. */
const STORE_FOLDER = "store";
/** Beside it. */
const BACKUP_FOLDER = "backups";
const DRAIN_DEADLINE_MS = 10_000;
const HTTP_GRACE_MS = 2_000;

/** The composition root: makes each part and hands it what it needs. Nothing runs before `start`. */
export function createBroker(config: Config, adapters: BrokerAdapters = {}): Broker {
  return new WiredBroker(config, adapters);
}

/** What is there before anything is opened. */
interface Basis {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: Counters;
}

/** What the parts share. */
interface Parts extends Basis {
  readonly version: string;
  readonly limits: Limits;
  readonly engine: Engine;
  readonly access: TokenAccess;
  readonly histories: HistoryBook;
  readonly core: BrokerCore;
  readonly gauges: BrokerGauges;
  readonly metrics: Metrics;
  readonly sysTopics: SysTopics;
  readonly host: ConnectionHost;
  readonly backups: BackupAdmin;
  readonly audit: AuditLog;
}

class WiredBroker implements Broker {
  readonly #config: Config;
  readonly #adapters: BrokerAdapters;
  readonly #basis: Basis;
  #opened: Parts | undefined;
  readonly #transports: Transport[] = [];
  #http: HttpServer | undefined;
  #isServing = false;
  #closing: Promise<void> | undefined;

  constructor(config: Config, adapters: BrokerAdapters) {
    this.#config = config;
    this.#adapters = adapters;
    this.#basis = layBasis(config, adapters);
  }

  async start(): Promise<StartedBroker> {
    try {
      return await this.#start();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  addPage(path: string, contentType: string, body: string | Uint8Array): void {
    if (!this.#http) throw new Error("a page needs a broker that has started");
    this.#http.addPage(path, contentType, body);
  }

  setLogLevel(level: LogLevel): void {
    // pino's own way to change it; the port knows of no levels.
    (this.#basis.logger as { level?: string }).level = level;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #start(): Promise<StartedBroker> {
    const engine = await openEngine(this.#config, this.#adapters, this.#basis);
    this.#opened = wire(this.#config, this.#basis, engine);
    const { access, histories, core, sysTopics, audit } = this.#opened;
    await audit.open();
    await histories.open();
    await access.open(this.#adapters.adminToken, this.#adapters.onAdminKey);
    this.#http = await openHttp(this.#config, this.#opened, () => this.#isServing);
    await core.start();
    histories.follow(core);
    access.start();
    const addresses = await this.#listen(this.#http);
    this.#isServing = true;
    sysTopics.start();
    return { addresses };
  }

  async #listen(http: HttpServer): Promise<BrokerAddresses> {
    const { mqtt, http: httpConfig } = this.#config;
    const tcp = new TcpTransport({
      ...this.#transportOptions(),
      host: mqtt.host,
      port: mqtt.port,
      proxies: mqtt.proxyProtocol,
      maxHandshakes: this.#config.limits.maxHandshakes,
    });
    const tls = mqtt.tls && this.#tlsTransport(mqtt.tls);
    const webSocket = this.#webSocketTransport(http);
    this.#transports.push(tcp, ...(tls ? [tls] : []), webSocket);
    const mqttPort = (await tcp.listen()).port;
    const tlsPort = tls && (await tls.listen()).port;
    const bound = await http.listen({ host: httpConfig.host, port: httpConfig.port });
    await webSocket.listen();
    return {
      mqtt: { host: mqtt.host, port: mqttPort },
      mqttTls: tlsPort === undefined ? undefined : { host: mqtt.host, port: tlsPort },
      http: { ...bound, isTls: httpConfig.tls !== undefined },
    };
  }

  #tlsTransport({ port, cert, key, clientCa }: NonNullable<Config["mqtt"]["tls"]>): TlsTransport {
    const credentials = {
      cert: readFileSync(cert),
      key: readFileSync(key),
      ...(clientCa !== undefined && { clientCa: readFileSync(clientCa) }),
    };
    const { host, proxyProtocol } = this.#config.mqtt;
    const { maxHandshakes } = this.#config.limits;
    const bounds = { maxHandshakes, admission: this.#tlsAdmission() };
    const shared = { ...this.#transportOptions(), host, port, proxies: proxyProtocol };
    return new TlsTransport({ ...shared, ...bounds, credentials });
  }

  /** A handshake costs far more than a CONNECT. Nobody waits for longer than it may take to connect. */
  #tlsAdmission(): SteadyAdmission {
    const { tlsHandshakeRate: ratePerS, connectTimeoutS } = this.#config.limits;
    const { clock, counters } = this.#basis;
    const waiting = { maxWaiting: ratePerS * connectTimeoutS, maxWaitingBytes: Infinity };
    return new SteadyAdmission({ clock, counters, limit: "limits.tlsHandshakeRate", ratePerS, ...waiting });
  }

  #webSocketTransport({ server }: HttpServer): WebSocketTransport {
    const { mqtt, http } = this.#config;
    return new WebSocketTransport({
      ...this.#transportOptions(),
      server,
      maxPacketBytes: mqtt.maxPacketBytes,
      proxies: http.trustedProxies,
    });
  }

  #transportOptions(): TransportOptions {
    const { clock, counters, logger } = this.#basis;
    return {
      acceptor: (this.#opened as Parts).host,
      clock,
      counters,
      logger,
      handshakeTimeoutMs: this.#config.limits.connectTimeoutS * 1_000,
    };
  }

  async #close(): Promise<void> {
    const { clock } = this.#basis;
    this.#isServing = false;
    if (this.#opened) await this.#closeParts(this.#opened);
    if (clock instanceof SystemClock) clock.close();
  }

  async #closeParts({
    core,
    access,
    histories,
    engine,
    metrics,
    sysTopics,
    host,
    backups,
  }: Parts): Promise<void> {
    sysTopics.stop();
    await Promise.all(this.#transports.map((transport) => transport.close()));
    await core.stop();
    host.close();
    await this.#http?.close(HTTP_GRACE_MS);
    await access.close();
    histories.close();
    await backups.stop();
    await engine.drain(DRAIN_DEADLINE_MS);
    await engine.close();
    metrics.close();
  }
}

function layBasis(config: Config, adapters: BrokerAdapters): Basis {
  const logger = createLogger({
    level: config.log.level,
    stream: adapters.logStream ?? process.stderr,
    secrets: adapters.adminToken === undefined ? [] : [adapters.adminToken],
  });
  return { clock: adapters.clock ?? new SystemClock(), counters: createCounters(), logger };
}

async function openEngine(
  config: Config,
  adapters: BrokerAdapters,
  { clock, logger }: Basis,
): Promise<Engine> {
  if (config.engine === "memory") return openMemoryEngine({ clock });
  await prepareDataDirectory(config.data);
  const { onFatal } = adapters;
  const directory = join(config.data, STORE_FOLDER);
  return openEmbeddedEngine({
    directory,
    clock,
    logger,
    ...(onFatal && { onFatal }),
    ...logLimitsOf(config),
  });
}

type ConfiguredLogLimits = Pick<LogLimits, "reserveBytes" | "segmentBytes" | "floorMs" | "floorBytes">;

function logLimitsOf({ limits }: Config): ConfiguredLogLimits {
  return {
    reserveBytes: limits.diskReserveBytes,
    segmentBytes: limits.logSegmentBytes,
    floorMs: limits.logFloorS * 1_000,
    floorBytes: limits.logFloorBytes,
  };
}

/** Undefined: there is nothing on a disk. */
function backupFolderOf(config: Config, engine: Engine): BackupFolder | undefined {
  if (!(engine instanceof EmbeddedEngine)) return undefined;
  const [storeDirectory, directory] = [join(config.data, STORE_FOLDER), join(config.data, BACKUP_FOLDER)];
  return new BackupFolder({ source: engine, storeDirectory, directory, limits: logLimitsOf(config) });
}

function createAccess(
  config: Config,
  { clock, counters, logger }: Basis,
  engine: Engine,
  sessions: () => SessionDirectory,
): TokenAccess {
  return new TokenAccess({
    kv: (bucket) => engine.kv(bucket),
    clock,
    logger,
    tenant: TENANT,
    anonymous: toAnonymousAccess(config),
    tickets: new TicketStore({
      clock,
      maxTickets: config.limits.maxTickets,
      exceeded: () => (counters.limitReached["limits.maxTickets"] += 1),
    }),
    sessions,
    failures: new LoginFailures({
      clock,
      freeFailures: config.limits.loginFailures,
      slowed: () => (counters.limitReached["limits.loginFailures"] += 1),
    }),
  });
}

function wire(config: Config, basis: Basis, engine: Engine): Parts {
  const version = readVersion();
  const { clock, counters, logger } = basis;
  const limits = toLimits(config);
  const access: TokenAccess = createAccess(config, basis, engine, () => core.sessions);
  const { authenticator } = access;
  const histories = new HistoryBook({
    kv: engine.kv("histories"),
    clock,
    logger,
    randomId: randomUUID,
    configured: config.histories,
    tenant: TENANT,
  });
  const core: BrokerCore = new BrokerCore({
    histories: () => histories.all(),
    engine,
    authenticator,
    clock,
    counters,
    logger,
    randomId: randomUUID,
    limits,
  });
  const host = new ConnectionHost({
    core,
    clock,
    counters,
    logger,
    limits: {
      ...config.limits,
      maxPacketBytes: config.mqtt.maxPacketBytes,
      maxTopicFilters: config.limits.maxSubscriptions,
      connectTimeoutMs: config.limits.connectTimeoutS * 1_000,
    },
  });
  const gauges = createGauges(core, access, engine, host);
  const metrics = new Metrics(counters, gauges);
  if (engine instanceof EmbeddedEngine) engine.onCommit((seconds) => metrics.observeCommit(seconds));
  const publish = core.publish.bind(core);
  const intervalMs = DEFAULT_SYS_INTERVAL_MS;
  const sysTopics = new SysTopics({
    tenant: TENANT,
    version,
    counters,
    gauges,
    clock,
    logger,
    intervalMs,
    publish,
  });
  const backups = new BackupAdmin({ store: backupFolderOf(config, engine), clock, logger });
  const audit = createAuditLog(config, basis, engine, publish);
  const running = { engine, access, histories, core, gauges, metrics, sysTopics, host, backups, audit };
  return { version, clock, logger, counters, limits, ...running };
}

function createAuditLog(
  config: Config,
  { clock, logger }: Basis,
  engine: Engine,
  publish: BrokerCore["publish"],
): AuditLog {
  return new AuditLog({
    kv: engine.kv("audit"),
    clock,
    logger,
    maxEntries: config.limits.auditEntries,
    announce: (tenant, topic, payload) => {
      void publish({ tenant, topic, payload, qos: 1, retain: false }).catch((error: unknown) => {
        logger.warn({ tenant, topic, error }, "a change could not be told to those who are subscribed to it");
      });
    },
  });
}

function createPrincipalSource(access: TokenAccess): PrincipalSource {
  return new PrincipalSource({
    ofToken: (tenant, tokenId, clientId) => access.absentPrincipal(tenant, tokenId, clientId),
    ofClaims: (tenant, provider, claims, clientId) =>
      access.oauth.absentPrincipal(tenant, provider, claims, clientId),
  });
}

function createRevocationAdmin({ oauth, objects }: TokenAccess, clock: Clock): RevocationAdmin {
  return new RevocationAdmin({ revocations: oauth.revocations, providers: objects.providers, clock });
}

function openHttp(config: Config, parts: Parts, isServing: () => boolean): Promise<HttpServer> {
  const { version, access, core, clock, logger, limits, metrics, counters } = parts;
  const { backups, audit, histories } = parts;
  const principals = createPrincipalSource(access);
  const sessions = new SessionAdmin({
    sessions: core.sessions,
    subscriber: core.remoteSubscriber,
    principals,
    maxSessionExpiryS: limits.maxSessionExpiryS,
  });
  const sources = new EntrySources({
    tokens: access.store,
    policies: access.objects.policies,
    groups: access.objects.groups,
  });
  const { tls, trustedProxies, cors: corsOrigins } = config.http;
  return createHttpServer({
    version,
    tokens: new TokenAdmin({ tokens: access.store, sessions, clock, policies: access.objects.policies }),
    sessions,
    messages: new MessageAdmin(core, limits),
    retained: new RetainedAdmin({ core, clock, limits }),
    access: new AccessExplainer({ principals, sources }),
    audit,
    corsOrigins,
    maxRequestRate: config.limits.httpRequestRate,
    nowMs: () => clock.nowMs(),
    rateExceeded: () => void (counters.limitReached["limits.httpRequestRate"] += 1),
    tickets: new TicketAdmin(access.tickets),
    revocations: createRevocationAdmin(access, clock),
    backups,
    metrics,
    logger,
    histories: new HistoryReader(core, histories),
    objects: [...identityObjects(access), historyAdmin(histories)],
    authorization: {
      authenticate: (authorization, from) => access.authenticator.authenticateCaller(authorization, from),
      hasTenant: (name) => name === TENANT,
      refused: (reason, address) => {
        counters.authFailures[reason] = (counters.authFailures[reason] ?? 0) + 1;
        logger.info({ address, reason }, "a REST call was refused");
      },
    },
    readiness: () => readinessOf(parts, isServing()),
    isLocal: (request) => isLocalRequest(request, []),
    maxConnections: config.limits.maxHttpConnections,
    headTimeoutMs: config.limits.connectTimeoutS * 1_000,
    connectionRefused: () => {
      counters.connectionsRefused += 1;
      counters.limitReached["limits.maxHttpConnections"] += 1;
    },
    trustedProxies,
    ...(tls && { tls: { cert: readFileSync(tls.cert), key: readFileSync(tls.key) } }),
  });
}

/** Histories over REST. */
function historyAdmin(book: HistoryBook): ObjectUseCases {
  const kind = historyObjects((tenant, name) => book.isConfigured(tenant, name));
  return new ObjectAdmin(kind, book.objects);
}

/** Policies, groups and providers over REST. */
function identityObjects({ objects, store }: TokenAccess): readonly ObjectUseCases[] {
  const { policies, groups, providers } = objects;
  const references: GroupReferences = {
    policyOf: (tenant, name) => policies.get(tenant, name),
    providerOf: (tenant, name) => providers.get(tenant, name),
  };
  const unboundHolder = (tenant: string, policy: string): string | undefined =>
    findUnboundHolder(tenant, policy, objects, store);
  return [
    new ObjectAdmin(policyObjects(unboundHolder), policies),
    new ObjectAdmin(groupObjects(references), groups),
    new ObjectAdmin(providerObjects(providers), providers),
  ];
}

/** What is wrong with an OAuth provider is told, and stops nobody else. */
function readinessOf(
  { engine, access, core }: Parts,
  isServing: boolean,
): { ready: boolean; problems: readonly string[] } {
  const { ok, problems: engineProblems } = engine.health();
  const recovering = core.isRecovered ? [] : [RECOVERING];
  const problems = [...engineProblems, ...access.oauth.problems, ...recovering];
  return {
    ready: ok && isServing,
    problems: isServing ? problems : [...problems, "CONNECT is not answered yet, or no longer"],
  };
}

function createGauges(
  core: BrokerCore,
  access: TokenAccess,
  engine: Engine,
  host: ConnectionHost,
): BrokerGauges {
  return {
    connections: () => core.connectionCount,
    handshakes: () => host.handshakes.count,
    connectsWaiting: () => host.admission.waiting,
    sessions: () => core.sessions.count,
    subscriptions: () => core.subscriptionCount(TENANT),
    retained: () => core.retainedCount(TENANT),
    queued: () => {
      let queued = 0;
      for (const session of core.sessions.all) queued += session.outgoing.queued;
      return queued;
    },
    isDiskFull: () => engine.health().isFull,
    failingProviders: () => access.oauth.problems.length,
    logBytes: () => {
      let bytes = 0;
      for (let shard = 0; shard < engine.log.shards; shard++) bytes += engine.log.bounds(TENANT, shard).bytes;
      return bytes;
    },
  };
}

function toAnonymousAccess({ anonymous }: Config): AnonymousAccess | undefined {
  if (anonymous.allow === "nobody") return undefined;
  const isOpenToNetwork = anonymous.allow === "everywhere";
  return new AnonymousAccess({ tenant: TENANT, acl: anonymous.acl, isOpenToNetwork, hostNames: [] });
}

function toLimits({ mqtt, limits }: Config): Limits {
  const { maxPacketBytes, receiveMaximum, topicAliasMaximum, maxKeepAliveS } = mqtt;
  return { ...limits, maxPacketBytes, receiveMaximum, topicAliasMaximum, maxKeepAliveS };
}

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return manifest.version;
}
