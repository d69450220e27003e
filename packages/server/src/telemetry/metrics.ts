import { monitorEventLoopDelay } from "node:perf_hooks";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Counters } from "../core/ports/telemetry.ts";
import type { BrokerGauges } from "./broker-gauges.ts";
import { addTenantMetrics, type MeasuredTenant } from "./tenant-metrics.ts";

const EVENT_LOOP_RESOLUTION_MS = 10;
const QUANTILES = [50, 90, 99, 99.9] as const;
const NS_PER_S = 1e9;
const COMMIT_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

/** What Prometheus reads. The hot path only adds to plain counters; they are looked at when somebody scrapes. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #eventLoop: ReturnType<typeof monitorEventLoopDelay> = monitorEventLoopDelay({
    resolution: EVENT_LOOP_RESOLUTION_MS,
  });
  readonly #commits: Histogram;

  readonly #tenants: () => Iterable<MeasuredTenant>;

  /** @param counters of all tenants together, as of now */
  constructor(counters: () => Counters, gauges: BrokerGauges, tenants: () => Iterable<MeasuredTenant>) {
    this.#tenants = tenants;
    addTenantMetrics(this.#registry, tenants);
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#addCounters(counters);
    this.#addGauges(gauges);
    this.#commits = new Histogram({
      name: "weir_engine_commit_seconds",
      help: "How long the engine took to make a batch durable",
      buckets: COMMIT_BUCKETS_S,
      registers,
    });
    this.#addEventLoopDelay();
    this.#eventLoop.enable();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /**
   * In the text format of Prometheus.
   *
   * @param tenant the id of one that alone is shown; undefined: the broker with all of them
   */
  text(tenant?: string): Promise<string> {
    if (tenant === undefined) return this.#registry.metrics();
    const registry = new Registry();
    addTenantMetrics(registry, () => [...this.#tenants()].filter(({ id }) => id === tenant));
    return registry.metrics();
  }

  /** For the engine: a batch took this long from its first write until it was durable. */
  observeCommit(seconds: number): void {
    this.#commits.observe(seconds);
  }

  close(): void {
    this.#eventLoop.disable();
    this.#registry.clear();
  }

  #addCounters(counters: () => Counters): void {
    this.#counterBy(
      "weir_messages_received_total",
      "Messages that clients published",
      "qos",
      () => counters().messagesReceived,
    );
    this.#counterBy(
      "weir_messages_sent_total",
      "Messages sent to clients",
      "qos",
      () => counters().messagesSent,
    );
    this.#counterBy(
      "weir_messages_dropped_total",
      "Messages that somebody did not get",
      "reason",
      () => counters().messagesDropped,
    );
    this.#counterBy(
      "weir_auth_failures_total",
      "Connections and calls that were refused",
      "reason",
      () => counters().authFailures,
    );
    this.#counterBy(
      "weir_limit_reached_total",
      "How often a bound of the configuration has refused, dropped, cut off or held up somebody",
      "limit",
      () => counters().limitReached,
    );
    this.#counter(
      "weir_publish_denied_total",
      "Messages that an ACL refused",
      () => counters().publishDenied,
    );
    this.#counter(
      "weir_subscribe_denied_total",
      "Subscriptions that an ACL refused",
      () => counters().subscribeDenied,
    );
    this.#counter("weir_received_bytes_total", "Bytes from MQTT clients", () => counters().bytesReceived);
    this.#counter("weir_sent_bytes_total", "Bytes to MQTT clients", () => counters().bytesSent);
    this.#counter("weir_connections_total", "Connections accepted so far", () => counters().connectionsTotal);
    this.#counter(
      "weir_connections_refused_total",
      "Connections refused so far",
      () => counters().connectionsRefused,
    );
  }

  #addGauges(gauges: BrokerGauges): void {
    this.#gauge("weir_connections", "Network connections", () => gauges.connections());
    this.#gauge("weir_handshakes", "Connections whose CONNECT has not come yet", () => gauges.handshakes());
    this.#gauge("weir_connects_waiting", "CONNECTs that wait for their turn", () => gauges.connectsWaiting());
    this.#gauge("weir_sessions", "Sessions, connected or not", () => gauges.sessions());
    this.#gauge("weir_subscriptions", "Subscriptions", () => gauges.subscriptions());
    this.#gauge("weir_retained_messages", "Retained messages", () => gauges.retained());
    this.#gauge("weir_queue_messages", "Messages that wait for sessions", () => gauges.queued());
    this.#gauge("weir_log_bytes", "Bytes held by the message log", () => gauges.logBytes());
    this.#gauge("weir_disk_full", "1 while less than limits.diskReserveBytes is free", () =>
      gauges.isDiskFull() ? 1 : 0,
    );
    this.#gauge("weir_oauth_providers_failing", "OAuth providers whose keys cannot be read now", () =>
      gauges.failingProviders(),
    );
  }

  #addEventLoopDelay(): void {
    const eventLoop = this.#eventLoop;
    this.#registry.registerMetric(
      new Gauge({
        name: "weir_event_loop_delay_seconds",
        help: "By how much the event loop was late since the last scrape",
        labelNames: ["quantile"],
        registers: [],
        collect() {
          for (const quantile of QUANTILES)
            this.set({ quantile: quantile / 100 }, lateS(eventLoop.percentile(quantile)));
          this.set({ quantile: 1 }, lateS(eventLoop.max));
          eventLoop.reset();
        },
      }),
    );
  }

  #counter(name: string, help: string, read: () => number): void {
    this.#registry.registerMetric(
      new Counter({
        name,
        help,
        registers: [],
        collect() {
          this.reset();
          this.inc(read());
        },
      }),
    );
  }

  #counterBy(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void {
    this.#registry.registerMetric(
      new Counter({
        name,
        help,
        labelNames: [label],
        registers: [],
        collect() {
          this.reset();
          for (const [value, count] of Object.entries(read())) this.inc({ [label]: value }, count);
        },
      }),
    );
  }

  #gauge(name: string, help: string, read: () => number): void {
    this.#registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(read());
        },
      }),
    );
  }
}

/** The histogram holds the time from tick to tick; before the first one it holds none. */
function lateS(intervalNs: number): number {
  return Number.isFinite(intervalNs)
    ? Math.max(intervalNs / NS_PER_S - EVENT_LOOP_RESOLUTION_MS / 1_000, 0)
    : 0;
}
