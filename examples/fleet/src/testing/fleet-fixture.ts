import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Kysely } from "kysely";
import type { DeviceAccess, Position, Sensor } from "../contract/index.ts";
import { openDatabase } from "../database/open-database.ts";
import type { Database } from "../database/schema.ts";
import { BackendClient } from "../launcher/backend-client.ts";
import { Fleet } from "../launcher/fleet.ts";
import { freePorts } from "../launcher/free-ports.ts";

const WEB = fileURLToPath(new URL("../../web", import.meta.url));
const VITE = fileURLToPath(new URL("../../../../node_modules/vite/bin/vite.js", import.meta.url));
const PASSWORD = "a long enough password";
const LOOK_EVERY_MS = 100;
const LOOK_FOR_MS = 60_000;

export interface FleetFixtureOptions {
  /** Whether the web application is built and served. */
  readonly hasWeb?: boolean;
  /** Instead of the embedded database. */
  readonly databaseUrl?: string;
}

/** A user with a name of their own, and one sensor. */
export interface Driver {
  readonly email: string;
  readonly password: string;
  readonly client: BackendClient;
  readonly sensor: Sensor;
  readonly device: DeviceAccess;
}

/** A whole fleet in processes of its own, in a folder of its own, on free ports. Close it at the test's end. */
export class FleetFixture {
  readonly fleet: Fleet;
  readonly db: Kysely<Database>;
  /** What the parts have written. */
  readonly lines: string[];
  readonly #folder: string;

  private constructor(fleet: Fleet, folder: string, lines: string[]) {
    this.fleet = fleet;
    this.lines = lines;
    this.db = openDatabase({ url: fleet.databaseUrl, maxConnections: 1 });
    this.#folder = folder;
  }

  static async start({ hasWeb = false, databaseUrl }: FleetFixtureOptions = {}): Promise<FleetFixture> {
    const folder = mkdtempSync(join(tmpdir(), "fleet-"));
    const webDirectory = join(folder, "web");
    if (hasWeb) await buildWeb(webDirectory);
    const lines: string[] = [];
    const fleet = new Fleet({
      directory: folder,
      ports: await freePorts(),
      databaseUrl,
      replaySpeed: undefined,
      webDirectory: hasWeb ? webDirectory : undefined,
      onStep: () => undefined,
      onLine: (part, line) => lines.push(`${part}: ${line}`),
    });
    await fleet.start();
    return new FleetFixture(fleet, folder, lines);
  }

  /** Registers somebody, and makes a sensor for them. */
  async driver(name: string): Promise<Driver> {
    const email = `${name}-${Math.random().toString(36).slice(2)}@example.com`;
    const client = await BackendClient.register(this.fleet.url, email, name, PASSWORD);
    const { sensor, device } = await client.createSensor(`${name}'s van`);
    return { email, password: PASSWORD, client, sensor, device };
  }

  /** Sends what a tracker would send; gives the status of the answer. */
  async report(
    { deviceId }: DeviceAccess,
    fields: Readonly<Record<string, string | number>>,
  ): Promise<number> {
    const query = new URLSearchParams({ id: deviceId });
    for (const [name, value] of Object.entries(fields)) query.set(name, String(value));
    const response = await fetch(`${this.fleet.ingestUrl}/?${query.toString()}`);
    await response.text();
    return response.status;
  }

  /** What is stored of a sensor, the oldest first. */
  async stored(sensorId: string): Promise<Position[]> {
    const rows = await this.db
      .selectFrom("positions")
      .selectAll()
      .where("sensor_id", "=", sensorId)
      .orderBy("recorded_at")
      .execute();
    return rows.map(({ recorded_at, lat, lon, speed, bearing }) => ({
      at: recorded_at.toISOString(),
      lat,
      lon,
      speed,
      bearing,
    }));
  }

  async close(): Promise<void> {
    await this.db.destroy();
    await this.fleet.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Looks until what is looked for is there, and gives it. Rejects after a minute, with what it saw last. */
export async function eventually<T>(look: () => Promise<T>, isThere: (found: T) => boolean): Promise<T> {
  const deadline = performance.now() + LOOK_FOR_MS;
  for (;;) {
    const found = await look();
    if (isThere(found)) return found;
    if (performance.now() > deadline) throw new Error(`it did not come to that: ${JSON.stringify(found)}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

async function buildWeb(directory: string): Promise<void> {
  const args = [VITE, "build", "--logLevel", "error", "--emptyOutDir", "--outDir", directory, WEB];
  await promisify(execFile)(process.execPath, args);
}
