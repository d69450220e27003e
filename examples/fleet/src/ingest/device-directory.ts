import type { Kysely } from "kysely";
import { LRUCache } from "lru-cache";
import { hashSecret } from "../accounts/secret.ts";
import type { Database } from "../database/schema.ts";

export interface Device {
  readonly sensorId: string;
  readonly userId: string;
}

/** A device that was deleted is known for this long. */
const KNOWN_MS = 10_000;
const MAX_KNOWN = 100_000;
const NOBODY: Device = { sensorId: "", userId: "" };

/** Which sensor a device id, or the topic that a device publishes on, stands for. Looks are remembered, misses too. */
export class DeviceDirectory {
  readonly #db: Kysely<Database>;
  readonly #known = new LRUCache<string, Device>({ max: MAX_KNOWN, ttl: KNOWN_MS });

  constructor(db: Kysely<Database>) {
    this.#db = db;
  }

  /** By the secret that trackers send as `id`. Undefined: there is none. */
  ofDeviceId(deviceId: string): Promise<Device | undefined> {
    const hash = hashSecret(deviceId);
    return this.#find(`secret ${hash}`, "secret_hash", hash);
  }

  ofSensor(sensorId: string): Promise<Device | undefined> {
    return this.#find(`sensor ${sensorId}`, "id", sensorId);
  }

  async #find(key: string, column: "secret_hash" | "id", value: string): Promise<Device | undefined> {
    let device = this.#known.get(key);
    if (!device) {
      const row = await this.#db
        .selectFrom("sensors")
        .select(["id", "user_id"])
        .where(column, "=", value)
        .where("deleted_at", "is", null)
        .executeTakeFirst();
      device = row ? { sensorId: row.id, userId: row.user_id } : NOBODY;
      this.#known.set(key, device);
    }
    return device === NOBODY ? undefined : device;
  }
}
