import { Counter, Gauge, type Registry } from "prom-client";
import type { Counters } from "../core/ports/telemetry.ts";
import type { TenantGauges } from "./broker-gauges.ts";

/** One tenant, as it is shown. */
export interface MeasuredTenant {
  readonly id: string;
  readonly name: string;
  readonly counters: Counters;
  readonly gauges: TenantGauges;
}

type Tenants = () => Iterable<MeasuredTenant>;

/** What is measured of each tenant apart, under its name. */
export function addTenantMetrics(registry: Registry, tenants: Tenants): void {
  const gauge = (name: string, help: string, read: (gauges: TenantGauges) => number): void =>
    registry.registerMetric(createGauge(name, help, tenants, read));
  gauge("weir_tenant_connections", "Connections of the tenant's clients", (gauges) => gauges.connections());
  gauge("weir_tenant_sessions", "Its sessions, connected or not", (gauges) => gauges.sessions());
  gauge("weir_tenant_subscriptions", "Its subscriptions", (gauges) => gauges.subscriptions());
  gauge("weir_tenant_retained_messages", "Its retained messages", (gauges) => gauges.retained());
  gauge("weir_tenant_queue_messages", "Messages that wait for its sessions", (gauges) => gauges.queued());
  gauge("weir_tenant_log_bytes", "Bytes held by its message log", (gauges) => gauges.logBytes());

  const counterBy = (name: string, help: string, label: string, read: ReadCounts): void =>
    registry.registerMetric(createCounterBy({ name, help, label }, tenants, read));
  counterBy(
    "weir_tenant_messages_received_total",
    "Messages that its clients published",
    "qos",
    (counters) => counters.messagesReceived,
  );
  counterBy(
    "weir_tenant_messages_sent_total",
    "Messages sent to its clients",
    "qos",
    (counters) => counters.messagesSent,
  );
  counterBy(
    "weir_tenant_messages_dropped_total",
    "Messages that one of them did not get",
    "reason",
    (counters) => counters.messagesDropped,
  );
  counterBy(
    "weir_tenant_limit_reached_total",
    "How often a bound has held up one of them",
    "limit",
    (counters) => counters.limitReached,
  );
}

type ReadCounts = (counters: Counters) => Readonly<Record<string, number>>;

interface Labelled {
  readonly name: string;
  readonly help: string;
  readonly label: string;
}

function createGauge(
  name: string,
  help: string,
  tenants: Tenants,
  read: (gauges: TenantGauges) => number,
): Gauge {
  return new Gauge({
    name,
    help,
    labelNames: ["tenant"],
    registers: [],
    collect() {
      this.reset();
      for (const { name: tenant, gauges } of tenants()) this.set({ tenant }, read(gauges));
    },
  });
}

function createCounterBy({ name, help, label }: Labelled, tenants: Tenants, read: ReadCounts): Counter {
  return new Counter({
    name,
    help,
    labelNames: ["tenant", label],
    registers: [],
    collect() {
      this.reset();
      for (const { name: tenant, counters } of tenants())
        for (const [value, count] of Object.entries(read(counters)))
          if (count > 0) this.inc({ tenant, [label]: value }, count);
    },
  });
}
