import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DemoAccount } from "../contract/index.ts";
import { demoAccounts, seedAccounts } from "./demo-accounts.ts";
import { type PartDeclaration, PartProcess } from "./part-process.ts";
import { readSecrets, type Secrets, writeSecrets } from "./secrets.ts";
import { openServiceKeys } from "./service-tokens.ts";

export interface FleetOptions {
  /** Where the broker, the embedded database and the secrets live. */
  readonly directory: string;
  readonly ports: FleetPorts;
  /** PostgreSQL; undefined: the embedded database, as a process of its own. */
  readonly databaseUrl: string | undefined;
  /** Seconds of the recording in a second; undefined: nothing is replayed, and there are no accounts to try. */
  readonly replaySpeed: number | undefined;
  /** The folder of the built web application. */
  readonly webDirectory: string | undefined;
  /** Called before each step of the start. */
  readonly onStep: (what: string) => void;
  readonly onLine: (part: string, line: string) => void;
}

export interface FleetPorts {
  readonly mqtt: number;
  /** The broker's HTTP: REST, and MQTT over WebSocket. */
  readonly http: number;
  readonly app: number;
  readonly ingest: number;
  readonly database: number;
}

const HERE = fileURLToPath(new URL(".", import.meta.url));
const SOURCES = join(HERE, "..");
const DATA = join(SOURCES, "..", "data");
const WEIR = join(SOURCES, "..", "..", "..", "bin", "weir");
const NODE_FLAGS = ["--conditions=@weir/source", "--disable-warning=ExperimentalWarning"];
/** Where the replay begins: six of the eight buses drive. */
const REPLAY_FROM = "2026-01-26T16:44:30Z";

/** A whole fleet on this machine: each part a process of its own, as in production, and restarted if it fails. */
export class Fleet {
  readonly accounts: readonly DemoAccount[];
  readonly #options: FleetOptions;
  readonly #secretsPath: string;
  readonly #databaseUrl: string;
  readonly #parts = new Map<string, PartProcess>();
  #secrets: Secrets;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#secretsPath = join(options.directory, "secrets.json");
    this.#secrets = readSecrets(this.#secretsPath);
    this.accounts = options.replaySpeed === undefined ? [] : demoAccounts(this.#secrets.demoPasswords);
    this.#databaseUrl =
      options.databaseUrl ??
      `postgres://postgres@127.0.0.1:${options.ports.database}/postgres?sslmode=disable`;
  }

  get ports(): FleetPorts {
    return this.#options.ports;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#options.ports.app}`;
  }

  get ingestUrl(): string {
    return `http://127.0.0.1:${this.#options.ports.ingest}`;
  }

  get brokerUrl(): string {
    return `http://127.0.0.1:${this.#options.ports.http}`;
  }

  get databaseUrl(): string {
    return this.#databaseUrl;
  }

  get secrets(): Secrets {
    return this.#secrets;
  }

  /** A running part, by its name: broker, database, backend, ingest, storage, alarms, replay. */
  part(name: string): PartProcess {
    const part = this.#parts.get(name);
    if (!part) throw new Error(`there is no part ${name}`);
    return part;
  }

  /** Resolves when every part works. If one does not, the others are stopped, and it rejects with what that part said. */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Stops the parts, those that feed the others first. */
  async stop(): Promise<void> {
    for (const part of [...this.#parts.values()].reverse()) await part.stop();
  }

  async #start(): Promise<void> {
    const demoPasswords = Object.fromEntries(this.accounts.map(({ email, password }) => [email, password]));
    this.#keep({ demoPasswords });
    this.#options.onStep("broker");
    // First: its lock refuses a second fleet in the same directory, whose PGlite would destroy the database
    await this.#startBroker();
    this.#options.onStep("database");
    await this.#startDatabase();
    this.#keep({
      serviceKeys: await openServiceKeys(this.brokerUrl, this.#secrets.adminToken, this.#secrets.serviceKeys),
    });
    this.#options.onStep("backend");
    await this.#run(this.backendPart(this.#options.ports.app));
    this.#options.onStep("accounts");
    const deviceIds = await seedAccounts(this.url, this.accounts);
    this.#keep({ deviceIds: { ...this.#secrets.deviceIds, ...deviceIds } });
    this.#options.onStep("services");
    await Promise.all([this.#startService("storage"), this.#startService("alarms"), this.#startIngest()]);
    if (this.#options.replaySpeed !== undefined) await this.#startReplay(this.#options.replaySpeed);
  }

  #keep(news: Partial<Secrets>): void {
    this.#secrets = { ...this.#secrets, ...news };
    writeSecrets(this.#secretsPath, this.#secrets);
  }

  #startBroker(): Promise<void> {
    const { directory, ports } = this.#options;
    const data = join(directory, "broker");
    const flags = ["--data", data, "--mqtt-port", String(ports.mqtt), "--http-port", String(ports.http)];
    return this.#run({
      name: "broker",
      command: [WEIR, "serve", ...flags, "--log-level", "warn"],
      environment: { WEIR_ADMIN_TOKEN: this.#secrets.adminToken },
      readyWhen: /mqtt:\/\//i,
    });
  }

  async #startDatabase(): Promise<void> {
    const { directory, ports, databaseUrl } = this.#options;
    if (databaseUrl !== undefined) return;
    const program = join(SOURCES, "database", "pglite-main.ts");
    await this.#run({
      name: "database",
      command: [
        process.execPath,
        ...NODE_FLAGS,
        program,
        join(directory, "database"),
        String(ports.database),
      ],
      environment: {},
      readyWhen: /^ready$/,
    });
  }

  /** A backend on that port: any number of them may run. */
  backendPart(port: number): PartDeclaration {
    const { ports, webDirectory } = this.#options;
    return this.#declare("backend", /"msg":"listening"/, {
      WEIR_URL: this.brokerUrl,
      WEIR_TOKEN: this.#secrets.serviceKeys["backend"] ?? "",
      PORT: String(port),
      FLEET_MQTT_URL: `ws://{host}:${ports.http}/mqtt`,
      FLEET_TRACKER_URL: `http://{host}:${ports.ingest}`,
      FLEET_DEMO_ACCOUNTS: JSON.stringify(this.accounts),
      FLEET_ROADS: join(DATA, "liverpool-route14.csv"),
      ...(webDirectory !== undefined && { FLEET_WEB: webDirectory }),
    });
  }

  #startIngest(): Promise<void> {
    return this.#startPart("ingest", /"msg":"listening"/, {
      ...this.#mqttAccess("ingest"),
      PORT: String(this.#options.ports.ingest),
    });
  }

  #startService(name: "storage" | "alarms"): Promise<void> {
    return this.#startPart(name, /"msg":"connected/, this.#mqttAccess(name));
  }

  #startReplay(speed: number): Promise<void> {
    const devices = join(this.#options.directory, "devices.json");
    writeSecrets(devices, this.#secrets.deviceIds);
    return this.#startPart("replay", /"msg":"driving"/, {
      FLEET_RECORDING: join(DATA, "liverpool-route14.csv"),
      FLEET_RECORDING_FROM: REPLAY_FROM,
      FLEET_SPEED: String(speed),
      FLEET_DEVICES: devices,
      FLEET_INGEST_URL: this.ingestUrl,
    });
  }

  #mqttAccess(service: string): Record<string, string> {
    const WEIR_MQTT_URL = `mqtt://127.0.0.1:${this.#options.ports.mqtt}`;
    return { WEIR_MQTT_URL, WEIR_TOKEN: this.#secrets.serviceKeys[service] ?? "" };
  }

  #startPart(name: string, readyWhen: RegExp, environment: Record<string, string>): Promise<void> {
    return this.#run(this.#declare(name, readyWhen, environment));
  }

  #declare(name: string, readyWhen: RegExp, environment: Record<string, string>): PartDeclaration {
    return {
      name,
      command: [process.execPath, ...NODE_FLAGS, join(SOURCES, name, "main.ts")],
      environment: { DATABASE_URL: this.#databaseUrl, ...environment },
      readyWhen,
    };
  }

  async #run(part: PartDeclaration): Promise<void> {
    const running = new PartProcess({ ...part, onLine: this.#options.onLine });
    this.#parts.set(part.name, running);
    await running.start();
  }
}
