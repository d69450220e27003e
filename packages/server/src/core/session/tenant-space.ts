import type { Tenant } from "../access/tenant-book.ts";
import type { TransportKind } from "../ports/transport.ts";
import type { Counters } from "../ports/telemetry.ts";
import type { Router } from "../routing/router.ts";
import type { ClientServices } from "./client-services.ts";
import type { TenantUsage } from "./tenant-usage.ts";

/** What a tenant has in this process: its topics, its clients' share of the limits, and what was counted of them. */
export interface TenantSpace {
  readonly router: Router;
  readonly usage: TenantUsage;
  readonly counters: Counters;
  /** What its clients' packets are handled with: they count for the tenant. */
  readonly services: ClientServices;
}

/** Whether the tenant lets clients come so. */
export function isTransportOn({ settings }: Pick<Tenant, "settings">, transport: TransportKind): boolean {
  const { mqtt, websocket } = settings.protocols;
  return transport === "ws" || transport === "wss" ? websocket : mqtt;
}
