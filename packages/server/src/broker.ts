import { SystemClock } from "./clock/system-clock.ts";
import type { Config, LogLevel } from "./config/config.ts";
import type { Clock } from "./core/ports/clock.ts";
import type { HttpServer } from "./http/http-server.ts";
import type { LogStream } from "./telemetry/logger.ts";
import { type Basis, layBasis } from "./wiring/basis.ts";
import { type BrokerAddresses, Listeners } from "./wiring/listeners.ts";
import { openEngine } from "./wiring/open-engine.ts";
import { openHttp } from "./wiring/open-http.ts";
import { type Parts, wire } from "./wiring/parts.ts";

export type { BrokerAddresses, ListenAddress } from "./wiring/listeners.ts";

/** What a test or another program may give instead of what the configuration asks for. */
export interface BrokerAdapters {
  /** The operator's choice of the admin token: any text of at least 32 characters. */
  readonly adminToken?: string | undefined;
  /** Where the log goes; the process' stderr by default. */
  readonly logStream?: LogStream;
  /** For tests that move the time themselves; the system's by default. Whoever gives one closes it. */
  readonly clock?: Clock;
  /** Called with the admin token's key where one is made, before it counts: if this throws there is no token, and no start. */
  readonly onAdminKey?: (key: string) => void;
  /** The store has failed: nothing is acknowledged any more. End the process; the next start goes on from what was flushed. */
  readonly onFatal?: (error: Error) => void;
}

export interface StartedBroker {
  readonly addresses: BrokerAddresses;
}

/** A broker in this process. */
export interface Broker {
  /**
   * Recovers, then listens. Rejects with the remedy in its message if the data directory cannot be used, a port is taken,
   * a certificate cannot be used, or the admin token is too short; everything is closed then.
   */
  start(): Promise<StartedBroker>;
  setLogLevel(level: LogLevel): void;
  /**
   * Drains: stops accepting and reading, sends the acks that are due, DISCONNECT 0x8B to all, and closes. Never rejects
   * for what clients do; resolves when all is closed.
   */
  close(): Promise<void>;
}

const DRAIN_DEADLINE_MS = 10_000;
const HTTP_GRACE_MS = 2_000;

/** The composition root: makes each part and hands it what it needs. Nothing runs before `start`. */
export function createBroker(config: Config, adapters: BrokerAdapters = {}): Broker {
  return new WiredBroker(config, adapters);
}

class WiredBroker implements Broker {
  readonly #config: Config;
  readonly #adapters: BrokerAdapters;
  readonly #basis: Basis;
  #opened: Parts | undefined;
  #listeners: Listeners | undefined;
  #http: HttpServer | undefined;
  #isServing = false;
  #closing: Promise<void> | undefined;

  constructor(config: Config, adapters: BrokerAdapters) {
    this.#config = config;
    this.#adapters = adapters;
    this.#basis = layBasis(config, adapters);
  }

  async start(): Promise<StartedBroker> {
    try {
      return await this.#start();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  setLogLevel(level: LogLevel): void {
    // pino's own way to change it; the port knows of no levels.
    (this.#basis.logger as { level?: string }).level = level;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #start(): Promise<StartedBroker> {
    const engine = await openEngine(this.#config, this.#basis, this.#adapters.onFatal);
    this.#opened = wire(this.#config, this.#basis, engine);
    const { tenants, keeper, access, histories, core, sysTopics, audit } = this.#opened;
    await tenants.open();
    await audit.open();
    await histories.open();
    await access.open(this.#adapters.adminToken, this.#adapters.onAdminKey);
    this.#http = await openHttp(this.#config, this.#opened, () => this.#isServing);
    await core.start();
    histories.follow(core);
    access.start();
    await keeper.start();
    this.#listeners = new Listeners(this.#config, this.#opened);
    const addresses = await this.#listeners.open(this.#http);
    this.#isServing = true;
    sysTopics.start();
    return { addresses };
  }

  async #close(): Promise<void> {
    const { clock } = this.#basis;
    this.#isServing = false;
    if (this.#opened) await this.#closeParts(this.#opened);
    if (clock instanceof SystemClock) clock.close();
  }

  async #closeParts({
    core,
    access,
    histories,
    engine,
    metrics,
    sysTopics,
    tenants,
    keeper,
    host,
    backups,
  }: Parts): Promise<void> {
    sysTopics.stop();
    await this.#listeners?.close();
    await keeper.stop();
    await core.stop();
    host.close();
    await this.#http?.close(HTTP_GRACE_MS);
    await access.close();
    tenants.close();
    histories.close();
    await backups.stop();
    await engine.drain(DRAIN_DEADLINE_MS);
    await engine.close();
    metrics.close();
  }
}
