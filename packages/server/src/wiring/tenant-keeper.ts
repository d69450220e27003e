import type { AuditLog } from "../admin/audit-log.ts";
import type { TokenAccess } from "../auth/token-access.ts";
import { SYSTEM_TENANT, type Tenant, type TenantBook } from "../core/access/tenant-book.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Engine, Kv } from "../core/ports/engine.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import type { BrokerCore } from "../core/session/broker-core.ts";
import { tenantBuckets } from "../core/session/tenant-spaces.ts";
import type { HistoryBook } from "../core/session/history-book.ts";

export interface TenantKeeperOptions {
  readonly tenants: TenantBook;
  readonly core: BrokerCore;
  readonly access: TokenAccess;
  readonly histories: HistoryBook;
  readonly audit: AuditLog;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A tenant is served from now on. */
  readonly added: (tenant: Tenant) => void;
  /** It is served no longer. */
  readonly removed: (id: string) => void;
}

/** After a removal that has failed. */
const RETRY_MS = 10_000;

/** Lets the broker serve the tenants that there are, and leaves nothing of those that were deleted. */
export class TenantKeeper {
  readonly #options: TenantKeeperOptions;
  #isStopped = false;
  /** One after the other. */
  #removing: Promise<void> = Promise.resolve();

  constructor(options: TenantKeeperOptions) {
    this.#options = options;
  }

  /** Follows every change from now on, and goes on with what an earlier process has not removed. Rejects with EngineError. */
  async start(): Promise<void> {
    const { tenants, added } = this.#options;
    for (const tenant of tenants.all) if (tenant.id !== SYSTEM_TENANT) added(tenant);
    tenants.onChange((before, after) => this.#changed(before, after));
    for (const id of await tenants.gone()) this.#removeSoon(id);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#removing;
  }

  #changed(before: Tenant | undefined, after: Tenant | undefined): void {
    const { core, logger, added, removed } = this.#options;
    if (before && after) void core.changeTenant(after);
    else if (after) {
      core.addTenant(after).catch((error: unknown) => {
        logger.error({ tenant: after.name, error: String(error) }, "a new tenant could not be opened");
      });
      added(after);
    } else if (before) {
      removed(before.id);
      this.#removeSoon(before.id);
    }
  }

  #removeSoon(id: string): void {
    this.#removing = this.#removing.then(() => this.#removeOrRetry(id));
  }

  async #removeOrRetry(id: string): Promise<void> {
    if (this.#isStopped) return;
    const { clock, logger } = this.#options;
    try {
      await this.#remove(id);
      logger.info({ tenant: id }, "a deleted tenant has left nothing");
    } catch (error) {
      logger.warn(
        { tenant: id, error: String(error) },
        "a deleted tenant could not be removed; will try again",
      );
      clock.after(RETRY_MS, () => this.#removeSoon(id));
    }
  }

  /** Its sessions first: they write. The tombstone last: until then a restart begins anew. */
  async #remove(id: string): Promise<void> {
    const { tenants, core, access, histories, audit, engine } = this.#options;
    if (core.space(id)) await core.removeTenant(id);
    await access.removeTenant(id);
    await histories.objects.deleteAll(id);
    await audit.forget(id);
    for await (const { id: key, identity } of engine.owners.list("session", id))
      await engine.owners.release(await engine.owners.acquire("session", id, key, identity), true);
    for (const bucket of tenantBuckets(id)) await clear(engine.kv(bucket));
    await engine.log.forget(id);
    await tenants.removed(id);
  }
}

async function clear(kv: Kv): Promise<void> {
  for await (const { key } of kv.list("")) await kv.delete(key);
}
