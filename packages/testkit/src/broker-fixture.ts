import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { devNull, tmpdir } from "node:os";
import { join } from "node:path";
import type { Broker, Config, ConfigFlag, StartedBroker } from "@weir/server";
import type { TestCertificates } from "./certificates.ts";
import type { FakeClock } from "./fake-clock.ts";
import { connectedClient, type ClientOptions, type MqttTestClient, openClient } from "./mqtt-client.ts";
import { callRest } from "./rest-call.ts";

export interface BrokerFixtureOptions {
  /** Time stands still until the test moves it; the system's clock by default. Give it `soon: "immediate"`. */
  readonly clock?: FakeClock;
  readonly mqtt?: Partial<Config["mqtt"]>;
  readonly limits?: Partial<Config["limits"]> & {
    /** Off in the configuration too: it tells a publisher who listens. */
    readonly tellsNoMatchingSubscribers?: boolean;
  };
  readonly http?: Partial<Config["http"]>;
  /** With them it also listens for TLS, and HTTP is HTTPS: WebSockets are secure ones then. */
  readonly certificates?: TestCertificates;
  /** A data directory, in which the embedded engine keeps everything; in memory by default. */
  readonly data?: string;
  /** Everybody on this machine may do everything by default. */
  readonly anonymous?: Config["anonymous"];
}

/** What REST has answered. */
export interface RestAnswer {
  readonly status: number;
  /** Empty where there was none. */
  readonly body: { readonly [name: string]: unknown };
}

/** At least 32 characters, as an operator's own has to have. */
const ADMIN_TOKEN = "the-admin-token-of-a-test-fixture-0123456789";

/** At a few milliseconds each. */
const MAX_LOOKS = 1_000;

/**
 * A whole broker in this process, on free ports of the loopback address. Close it at the test's end.
 *
 * @example
 * const broker = await startBroker({ mqtt: { receiveMaximum: 2 } });
 * const client = await broker.connect({ clientId: "c" });
 * await broker.close();
 */
export async function startBroker(options: BrokerFixtureOptions = {}): Promise<BrokerFixture> {
  // Loaded here, so that tests which need only a clock or a packet do not load a whole broker
  const { createBroker, loadConfig } = await import("@weir/server");
  const log: string[] = [];
  const folder = mkdtempSync(join(tmpdir(), "weir-fixture-"));
  try {
    const broker = createBroker(
      withOptions(loadConfig({ file: devNull, flags: engineFlags(options.data) }), options, folder),
      {
        adminToken: ADMIN_TOKEN,
        logStream: { write: (line) => log.push(line) },
        ...(options.clock && { clock: options.clock }),
      },
    );
    return new BrokerFixture(broker, await broker.start(), log, options.certificates?.ca.cert);
  } finally {
    // The broker has read what is in it
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A broker that runs, and the clients that were opened to it. */
export class BrokerFixture {
  readonly addresses: StartedBroker["addresses"];
  /** Everything that it has logged. */
  readonly log: readonly string[];
  readonly #broker: Broker;
  readonly #clients: MqttTestClient[] = [];
  readonly #ca: string | undefined;

  constructor(broker: Broker, { addresses }: StartedBroker, log: readonly string[], ca?: string) {
    this.#broker = broker;
    this.#ca = ca;
    this.addresses = addresses;
    this.log = log;
  }

  /** A client whose CONNECT was accepted; over TCP unless it says otherwise. */
  async connect(options: ClientOptions = {}): Promise<MqttTestClient> {
    const client = await connectedClient(this.#portFor(options), options);
    this.#clients.push(client);
    return client;
  }

  /** A network connection without a word of MQTT. */
  async open(options: ClientOptions = {}): Promise<MqttTestClient> {
    const client = await openClient(this.#portFor(options), options);
    this.#clients.push(client);
    return client;
  }

  /** A call of REST with the admin's rights; `path` is below `/api/v1`. Rejects unless it succeeds. */
  async rest(method: string, path: string, body?: unknown): Promise<unknown> {
    const { status, text } = await this.#call(ADMIN_TOKEN, method, path, body);
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  /** The same with a key, whatever is answered. */
  async restAs(key: string, method: string, path: string, body?: unknown): Promise<RestAnswer> {
    const { status, text } = await this.#call(key, method, path, body);
    return { status, body: (text === "" ? {} : JSON.parse(text)) as RestAnswer["body"] };
  }

  /** Makes an access token and gives its key, which is a password. Without an end in it, it lives for an hour. */
  async token(declaration: Readonly<Record<string, unknown>>): Promise<string> {
    const token = (await this.rest("POST", "/tokens", { ttl: 3_600, ...declaration })) as { key: string };
    return token.key;
  }

  /** Resolves when the broker knows that no connection serves the client id any longer: a cut takes it a moment. */
  async disconnected(clientId: string): Promise<void> {
    const query = `/sessions?connected=true&clientId=${encodeURIComponent(clientId)}`;
    for (let attempt = 0; attempt < MAX_LOOKS; attempt++) {
      const { items } = (await this.rest("GET", query)) as { items: readonly unknown[] };
      if (items.length === 0) return;
    }
    throw new Error(`${clientId} is still connected`);
  }

  /** Cuts the clients off, and stops the broker. */
  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.cut()));
    await this.#broker.close();
  }

  #call(token: string, method: string, path: string, body: unknown): ReturnType<typeof callRest> {
    const { port } = this.addresses.http;
    return callRest({ method, port, path: `/api/v1${path}`, token, body, ca: this.#ca });
  }

  #portFor({ over = "tcp" }: ClientOptions): number {
    const { mqtt, mqttTls, http } = this.addresses;
    if (over === "tcp") return mqtt.port;
    if (over !== "tls") return http.port;
    if (!mqttTls) throw new Error("this broker has no certificate");
    return mqttTls.port;
  }
}

function engineFlags(data: string | undefined): ConfigFlag[] {
  if (data === undefined) return [{ path: "engine", flag: "--engine", value: "memory" }];
  return [
    { path: "engine", flag: "--engine", value: "embedded" },
    { path: "data", flag: "--data", value: data },
  ];
}

function withOptions(defaults: Config, options: BrokerFixtureOptions, folder: string): Config {
  const files = options.certificates && writeCertificate(options.certificates, folder);
  return {
    ...defaults,
    mqtt: { ...defaults.mqtt, port: 0, ...(files && { tls: { port: 0, ...files } }), ...options.mqtt },
    http: { ...defaults.http, port: 0, ...(files && { tls: files }), ...options.http },
    // Where time stands still, nobody who has to wait for a turn would ever get one
    limits: {
      ...defaults.limits,
      loginFailures: 1_000_000, // all clients of a test come from one address
      ...(options.clock && { connectRate: 1_000_000 }),
      ...options.limits,
    },
    anonymous: options.anonymous ?? { allow: "loopback" },
    log: { level: "debug" },
  };
}

/** The configuration names files. */
function writeCertificate({ server }: TestCertificates, folder: string): { cert: string; key: string } {
  const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  writeFileSync(files.cert, server.cert);
  writeFileSync(files.key, server.key, { mode: 0o600 });
  return files;
}
