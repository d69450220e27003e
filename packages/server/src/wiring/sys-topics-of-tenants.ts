import { SYSTEM_TENANT } from "../core/access/tenant-book.ts";
import type { Engine } from "../core/ports/engine.ts";
import type { BrokerCore } from "../core/session/broker-core.ts";
import type { BrokerGauges, TenantGauges } from "../telemetry/broker-gauges.ts";
import { DEFAULT_SYS_INTERVAL_MS, type SysCounters, SysTopics } from "../telemetry/sys-topics.ts";
import type { Basis } from "./basis.ts";
import { createTenantGauges } from "./gauges.ts";

export interface SysTopicsOfTenantsOptions extends Basis {
  readonly version: string;
  readonly core: BrokerCore;
  readonly engine: Engine;
  /** Of all tenants together. */
  readonly gauges: BrokerGauges;
}

/** `$SYS` of each tenant: the whole broker's in `default`, whose admins are the system's; else the tenant's own. */
export class SysTopicsOfTenants {
  readonly #options: SysTopicsOfTenantsOptions;
  readonly #byTenant = new Map<string, SysTopics>();
  #isStarted = false;

  constructor(options: SysTopicsOfTenantsOptions) {
    this.#options = options;
    const { core, gauges } = options;
    this.#byTenant.set(
      SYSTEM_TENANT,
      this.#create(SYSTEM_TENANT, () => core.totals, gauges),
    );
  }

  start(): void {
    this.#isStarted = true;
    for (const topics of this.#byTenant.values()) topics.start();
  }

  stop(): void {
    this.#isStarted = false;
    for (const topics of this.#byTenant.values()) topics.stop();
  }

  /** A tenant besides `default`; the core serves it. */
  add(tenant: string): void {
    const { core, engine } = this.#options;
    const space = core.space(tenant);
    if (!space) return;
    const gauges = createTenantGauges(core, engine, space);
    const topics = this.#create(tenant, () => ownCounts(space.counters), gauges);
    this.#byTenant.set(tenant, topics);
    if (this.#isStarted) topics.start();
  }

  remove(tenant: string): void {
    this.#byTenant.get(tenant)?.stop();
    this.#byTenant.delete(tenant);
  }

  #create(tenant: string, counters: () => SysCounters, gauges: TenantGauges): SysTopics {
    const { core, clock, logger, version } = this.#options;
    const publish = core.publish.bind(core);
    const intervalMs = DEFAULT_SYS_INTERVAL_MS;
    return new SysTopics({ tenant, version, counters, gauges, clock, logger, intervalMs, publish });
  }
}

/** Bytes and connections are counted before it is known whose they are. */
function ownCounts({
  messagesReceived,
  messagesSent,
  messagesDropped,
  sessionsExpired,
}: SysCounters): SysCounters {
  return { messagesReceived, messagesSent, messagesDropped, sessionsExpired };
}
