import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { AuditLog } from "../admin/audit-log.ts";
import { BackupAdmin } from "../admin/backup-admin.ts";
import type { TokenAccess } from "../auth/token-access.ts";
import type { Config } from "../config/config.ts";
import { ConnectionHost } from "../connection/connection-host.ts";
import { SYSTEM_TENANT, TenantBook } from "../core/access/tenant-book.ts";
import type { Engine } from "../core/ports/engine.ts";
import { BrokerCore } from "../core/session/broker-core.ts";
import { HistoryBook } from "../core/session/history-book.ts";
import type { Limits } from "../core/session/limits.ts";
import { EmbeddedEngine } from "../engine/embedded/embedded-engine.ts";
import { Metrics } from "../telemetry/metrics.ts";
import type { Basis } from "./basis.ts";
import { createAccess } from "./create-access.ts";
import { createBrokerGauges, measuredTenants } from "./gauges.ts";
import { backupFolderOf } from "./open-engine.ts";
import { SysTopicsOfTenants } from "./sys-topics-of-tenants.ts";
import { TenantKeeper } from "./tenant-keeper.ts";

/** What the broker is made of, and what its parts share. */
export interface Parts extends Basis {
  readonly version: string;
  readonly limits: Limits;
  readonly engine: Engine;
  readonly tenants: TenantBook;
  readonly keeper: TenantKeeper;
  readonly access: TokenAccess;
  readonly histories: HistoryBook;
  readonly core: BrokerCore;
  readonly metrics: Metrics;
  readonly sysTopics: SysTopicsOfTenants;
  readonly host: ConnectionHost;
  readonly backups: BackupAdmin;
  readonly audit: AuditLog;
}

/** Makes each part and hands it what it needs. Nothing runs before it is opened. */
export function wire(config: Config, basis: Basis, engine: Engine): Parts {
  const version = readVersion();
  const { clock, logger } = basis;
  const limits = toLimits(config);
  const tenants = createTenantBook(basis, engine);
  const access: TokenAccess = createAccess(config, {
    ...basis,
    engine,
    tenants,
    sessions: () => core.sessions,
  });
  const histories = new HistoryBook({
    kv: engine.kv("histories"),
    clock,
    logger,
    randomId,
    configured: config.histories,
    tenant: SYSTEM_TENANT,
  });
  const core: BrokerCore = new BrokerCore({
    ...basis,
    engine,
    authenticator: access.authenticator,
    randomId,
    limits,
    tenants: () => tenants.all,
    histories: () => [...histories.all()].filter(({ tenant }) => tenants.byId(tenant)),
  });
  const host = createHost(config, basis, core);
  const gauges = createBrokerGauges({ core, access, engine, host });
  const metrics = new Metrics(
    () => core.totals,
    gauges,
    () => measuredTenants(core, engine),
  );
  if (engine instanceof EmbeddedEngine) engine.onCommit((seconds) => metrics.observeCommit(seconds));
  const sysTopics = new SysTopicsOfTenants({ ...basis, version, core, engine, gauges });
  const backups = new BackupAdmin({ store: backupFolderOf(config, engine), clock, logger });
  const audit = createAuditLog(config, basis, engine, { core, tenants });
  const served = { engine, tenants, access, histories, core, audit };
  const keeper = new TenantKeeper({
    ...served,
    clock,
    logger,
    added: ({ id }) => sysTopics.add(id),
    removed: (id) => sysTopics.remove(id),
  });
  return { ...basis, ...served, keeper, version, limits, metrics, sysTopics, host, backups };
}

function createTenantBook({ clock, logger }: Basis, engine: Engine): TenantBook {
  const [kv, goneKv] = [engine.kv("tenants"), engine.kv("tenants-gone")];
  return new TenantBook({ kv, goneKv, clock, logger, randomId: randomUUID });
}

function createHost(config: Config, { clock, counters, logger }: Basis, core: BrokerCore): ConnectionHost {
  const { limits, mqtt } = config;
  return new ConnectionHost({
    core,
    clock,
    counters,
    logger,
    limits: {
      ...limits,
      maxPacketBytes: mqtt.maxPacketBytes,
      maxTopicFilters: limits.maxSubscriptions,
      connectTimeoutMs: limits.connectTimeoutS * 1_000,
    },
  });
}

function createAuditLog(
  config: Config,
  { clock, logger }: Basis,
  engine: Engine,
  { core, tenants }: { readonly core: BrokerCore; readonly tenants: TenantBook },
): AuditLog {
  return new AuditLog({
    kv: engine.kv("audit"),
    clock,
    logger,
    tenantName: (id) => tenants.nameOf(id),
    maxEntries: config.limits.auditEntries,
    announce: (tenant, topic, payload) => {
      void core.publish({ tenant, topic, payload, qos: 1, retain: false }).catch((error: unknown) => {
        logger.warn({ tenant, topic, error }, "a change could not be told to those who are subscribed to it");
      });
    },
  });
}

function toLimits({ mqtt, limits }: Config): Limits {
  const { maxPacketBytes, receiveMaximum, topicAliasMaximum, maxKeepAliveS } = mqtt;
  return { ...limits, maxPacketBytes, receiveMaximum, topicAliasMaximum, maxKeepAliveS };
}

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return manifest.version;
}

/** In one piece, unlike a UUID of Node's: every session keeps one. */
function randomId(): string {
  return randomBytes(16).toString("hex");
}
