import type { Clock, Timer } from "../core/ports/clock.ts";
import type { Counters, Logger } from "../core/ports/telemetry.ts";
import type { TenantGauges } from "./broker-gauges.ts";
import { LOAD_MINUTES, LoadAverage } from "./load-average.ts";

/** What is published: as the broker itself, to no log. */
export interface SysMessage {
  readonly tenant: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0;
  readonly retain: true;
}

/** What is counted of a tenant; and of the broker also the bytes and the connections of whoever came. */
export type SysCounters = Pick<
  Counters,
  "messagesReceived" | "messagesSent" | "messagesDropped" | "sessionsExpired"
> &
  Partial<Pick<Counters, "bytesReceived" | "bytesSent" | "connectionsTotal" | "connectionsRefused">>;

export interface SysTopicsOptions {
  readonly tenant: string;
  readonly version: string;
  /** As of now. */
  readonly counters: () => SysCounters;
  readonly gauges: TenantGauges;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Milliseconds between two looks; 0: never. */
  readonly intervalMs: number;
  readonly publish: (message: SysMessage) => Promise<unknown>;
}

export const DEFAULT_SYS_INTERVAL_MS = 10_000;

/** Publishes `$SYS/broker/…`, retained, as mosquitto has it; only what has changed. */
export class SysTopics {
  readonly #options: SysTopicsOptions;
  readonly #startedAtMs: number;
  readonly #published = new Map<string, string>();
  readonly #loads: ReadonlyMap<string, LoadAverage>;
  #lookedAtMs: number;
  #maximum = 0;
  #timer: Timer | undefined;

  constructor(options: SysTopicsOptions) {
    this.#options = options;
    this.#startedAtMs = this.#lookedAtMs = options.clock.nowMs();
    const totals = Object.entries(loadTotals(options.counters()));
    this.#loads = new Map(totals.map(([name, total]) => [name, new LoadAverage(total)]));
  }

  start(): void {
    if (this.#options.intervalMs <= 0) return;
    this.#look();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    const { clock, intervalMs } = this.#options;
    this.#timer = clock.after(intervalMs, () => this.#look());
    this.#average();
    for (const [name, value] of Object.entries(this.#values()))
      this.#publish(`$SYS/broker/${name}`, String(value));
  }

  #average(): void {
    const nowMs = this.#options.clock.nowMs();
    const totals = loadTotals(this.#options.counters());
    for (const [name, load] of this.#loads) load.add(totals[name] ?? 0, nowMs - this.#lookedAtMs);
    this.#lookedAtMs = nowMs;
  }

  #publish(topic: string, text: string): void {
    if (this.#published.get(topic) === text) return;
    this.#published.set(topic, text);
    const { tenant, publish, logger } = this.#options;
    publish({ tenant, topic, payload: Buffer.from(text), qos: 0, retain: true }).catch((error: unknown) => {
      this.#published.delete(topic);
      logger.debug({ topic, error }, "a $SYS topic could not be published");
    });
  }

  #values(): Readonly<Record<string, string | number>> {
    const { version, gauges, clock } = this.#options;
    return {
      version: `weir version ${version}`,
      uptime: `${Math.floor((clock.nowMs() - this.#startedAtMs) / 1_000)} seconds`,
      ...this.#clientValues(),
      ...trafficValues(this.#options.counters()),
      "subscriptions/count": gauges.subscriptions(),
      "retained messages/count": gauges.retained(),
      "store/messages/count": gauges.queued(),
      "store/messages/bytes": gauges.logBytes(),
      ...this.#loadValues(),
    };
  }

  #clientValues(): Readonly<Record<string, number>> {
    const connected = this.#options.gauges.connections();
    const total = Math.max(this.#options.gauges.sessions(), connected);
    this.#maximum = Math.max(this.#maximum, connected);
    return {
      "clients/connected": connected,
      "clients/disconnected": total - connected,
      "clients/total": total,
      "clients/maximum": this.#maximum,
      "clients/expired": this.#options.counters().sessionsExpired,
    };
  }

  #loadValues(): Readonly<Record<string, string>> {
    const values: Record<string, string> = {};
    for (const [name, load] of this.#loads) {
      for (const minutes of LOAD_MINUTES) values[`load/${name}/${minutes}min`] = load.get(minutes).toFixed(2);
    }
    return values;
  }
}

/** Where mosquitto counts packets of every kind, application messages are counted: that is what the hot path counts. */
function trafficValues(counters: SysCounters): Readonly<Record<string, number>> {
  const received = sum(counters.messagesReceived);
  const sent = sum(counters.messagesSent);
  return {
    "messages/received": received,
    "messages/sent": sent,
    "publish/messages/received": received,
    "publish/messages/sent": sent,
    "publish/messages/dropped": sum(counters.messagesDropped),
    ...known("bytes/received", counters.bytesReceived),
    ...known("bytes/sent", counters.bytesSent),
  };
}

function loadTotals(counters: SysCounters): Readonly<Record<string, number>> {
  const {
    messagesReceived,
    messagesSent,
    messagesDropped,
    connectionsTotal,
    connectionsRefused = 0,
  } = counters;
  const sockets = connectionsTotal === undefined ? undefined : connectionsTotal + connectionsRefused;
  return {
    "messages/received": sum(messagesReceived),
    "messages/sent": sum(messagesSent),
    "publish/received": sum(messagesReceived),
    "publish/sent": sum(messagesSent),
    "publish/dropped": sum(messagesDropped),
    ...known("bytes/received", counters.bytesReceived),
    ...known("bytes/sent", counters.bytesSent),
    ...known("connections", connectionsTotal),
    ...known("sockets", sockets),
  };
}

function known(name: string, count: number | undefined): Readonly<Record<string, number>> {
  return count === undefined ? {} : { [name]: count };
}

function sum(counts: Readonly<Record<string | number, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
