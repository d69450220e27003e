import { SYSTEM_TENANT, systemTenant, type Tenant } from "../access/tenant-book.ts";
import type { Clock } from "../ports/clock.ts";
import type { Engine } from "../ports/engine.ts";
import { type Counters, createCounters, type Logger, sumCounters } from "../ports/telemetry.ts";
import { Router } from "../routing/router.ts";
import { groupsBucket } from "./checkpoint.ts";
import type { ClientServices } from "./client-services.ts";
import type { Limits } from "./limits.ts";
import type { TenantSpace } from "./tenant-space.ts";
import { TenantUsage } from "./tenant-usage.ts";

export interface TenantSpacesOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: Limits;
  /** The broker's own, and those of the tenant that is always there. */
  readonly counters: Counters;
}

/** Where a tenant's topics are kept besides the log: nothing else is in there. */
export function tenantBuckets(id: string): readonly [retained: string, histories: string, groups: string] {
  return [`retained/${id}`, `history-starts/${id}`, groupsBucket(id)];
}

/** The tenants that this process serves, by id. */
export class TenantSpaces {
  readonly #options: TenantSpacesOptions;
  readonly #servicesOf: (counters: Counters) => ClientServices;
  readonly #byId = new Map<string, TenantSpace>();
  /** What those have counted that are gone. */
  #gone: Counters = createCounters();

  /** @param servicesOf what clients are served with whose packets count there */
  constructor(options: TenantSpacesOptions, servicesOf: (counters: Counters) => ClientServices) {
    this.#options = options;
    this.#servicesOf = servicesOf;
    this.add(systemTenant);
  }

  get all(): Iterable<TenantSpace> {
    return this.#byId.values();
  }

  find(id: string): TenantSpace | undefined {
    return this.#byId.get(id);
  }

  /** @throws {RangeError} if there is no such tenant */
  get(id: string): TenantSpace {
    const space = this.#byId.get(id);
    if (!space) throw new RangeError(`there is no tenant ${id}`);
    return space;
  }

  /** Empty; the engine may have more of it. */
  add({ id, name, settings }: Tenant): TenantSpace {
    const { engine, limits, clock } = this.#options;
    const counters = id === SYSTEM_TENANT ? this.#options.counters : createCounters();
    const [retained, histories] = tenantBuckets(id);
    const router = new Router({
      ...this.#options,
      counters,
      tenant: id,
      tenantName: name,
      settings,
      log: engine.log,
      epoch: engine.epoch,
      retainedKv: engine.kv(retained),
      historiesKv: engine.kv(histories),
      maxRetainedMessages: limits.maxRetainedMessages,
    });
    const usage = new TenantUsage({ clock, counters, limits: () => router.settings.limits });
    const space = { router, usage, counters, services: this.#servicesOf(counters) };
    this.#byId.set(id, space);
    return space;
  }

  remove(id: string): void {
    this.#gone = sumCounters([this.#gone, this.get(id).counters]);
    this.#byId.delete(id);
  }

  /** What the broker has counted, whosever it was. */
  get totals(): Counters {
    return sumCounters([this.#gone, ...[...this.all].map(({ counters }) => counters)]);
  }
}
