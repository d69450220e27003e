import type { Clock, Timer } from "../core/ports/clock.ts";
import type { Counters, Logger } from "../core/ports/telemetry.ts";
import type { BrokerGauges } from "./broker-gauges.ts";
import { LOAD_MINUTES, LoadAverage } from "./load-average.ts";

/** What is published: as the broker itself, to no log. */
export interface SysMessage {
  readonly tenant: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0;
  readonly retain: true;
}

export interface SysTopicsOptions {
  readonly tenant: string;
  readonly version: string;
  readonly counters: Counters;
  readonly gauges: BrokerGauges;
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
  readonly #totals: Readonly<Record<string, () => number>>;
  #lookedAtMs: number;
  #maximum = 0;
  #timer: Timer | undefined;

  constructor(options: SysTopicsOptions) {
    this.#options = options;
    this.#startedAtMs = this.#lookedAtMs = options.clock.nowMs();
    this.#totals = loadTotals(options.counters);
    this.#loads = new Map(
      Object.entries(this.#totals).map(([name, read]) => [name, new LoadAverage(read())]),
    );
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
    for (const [name, load] of this.#loads) load.add(this.#totals[name]?.() ?? 0, nowMs - this.#lookedAtMs);
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
      ...trafficValues(this.#options.counters),
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
function trafficValues(counters: Counters): Readonly<Record<string, number>> {
  const received = sum(counters.messagesReceived);
  const sent = sum(counters.messagesSent);
  return {
    "messages/received": received,
    "messages/sent": sent,
    "publish/messages/received": received,
    "publish/messages/sent": sent,
    "publish/messages/dropped": sum(counters.messagesDropped),
    "bytes/received": counters.bytesReceived,
    "bytes/sent": counters.bytesSent,
  };
}

function loadTotals(counters: Counters): Readonly<Record<string, () => number>> {
  return {
    "messages/received": () => sum(counters.messagesReceived),
    "messages/sent": () => sum(counters.messagesSent),
    "publish/received": () => sum(counters.messagesReceived),
    "publish/sent": () => sum(counters.messagesSent),
    "publish/dropped": () => sum(counters.messagesDropped),
    "bytes/received": () => counters.bytesReceived,
    "bytes/sent": () => counters.bytesSent,
    connections: () => counters.connectionsTotal,
    sockets: () => counters.connectionsTotal + counters.connectionsRefused,
  };
}

function sum(counts: Readonly<Record<string | number, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
