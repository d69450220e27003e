import type { TokenAccess } from "../auth/token-access.ts";
import type { ConnectionHost } from "../connection/connection-host.ts";
import type { Engine } from "../core/ports/engine.ts";
import type { BrokerCore } from "../core/session/broker-core.ts";
import type { Session } from "../core/session/session.ts";
import type { TenantSpace } from "../core/session/tenant-space.ts";
import type { BrokerGauges, TenantGauges } from "../telemetry/broker-gauges.ts";
import type { MeasuredTenant } from "../telemetry/tenant-metrics.ts";

export interface Measured {
  readonly core: BrokerCore;
  readonly access: TokenAccess;
  readonly engine: Engine;
  readonly host: ConnectionHost;
}

/** Of all tenants together. */
export function createBrokerGauges({ core, access, engine, host }: Measured): BrokerGauges {
  const sumOf = (read: (tenant: string) => number): number => {
    let sum = 0;
    for (const { router } of core.spaces) sum += read(router.tenant);
    return sum;
  };
  return {
    connections: () => core.connectionCount,
    handshakes: () => host.handshakes.count,
    connectsWaiting: () => host.admission.waiting,
    sessions: () => core.sessions.count,
    subscriptions: () => sumOf((tenant) => core.subscriptionCount(tenant)),
    retained: () => sumOf((tenant) => core.retainedCount(tenant)),
    queued: () => queuedOf(core.sessions.all),
    isDiskFull: () => engine.health().isFull,
    failingProviders: () => access.oauth.problems.length,
    logBytes: () => sumOf((tenant) => logBytesOf(engine, tenant)),
  };
}

export function createTenantGauges(
  core: BrokerCore,
  engine: Engine,
  { router, usage }: TenantSpace,
): TenantGauges {
  const { tenant } = router;
  return {
    connections: () => usage.connections,
    sessions: () => core.sessions.list(tenant).size,
    subscriptions: () => core.subscriptionCount(tenant),
    retained: () => router.retained.count,
    queued: () => queuedOf(core.sessions.list(tenant)),
    logBytes: () => logBytesOf(engine, tenant),
  };
}

/** Each tenant apart, as of now. */
export function* measuredTenants(core: BrokerCore, engine: Engine): Generator<MeasuredTenant> {
  for (const space of core.spaces) {
    const { tenant: id, tenantName: name } = space.router;
    yield { id, name, counters: space.counters, gauges: createTenantGauges(core, engine, space) };
  }
}

function queuedOf(sessions: Iterable<Session>): number {
  let queued = 0;
  for (const session of sessions) queued += session.outgoing.queued;
  return queued;
}

function logBytesOf({ log }: Engine, tenant: string): number {
  let bytes = 0;
  for (let shard = 0; shard < log.shards; shard++) bytes += log.bounds(tenant, shard).bytes;
  return bytes;
}
