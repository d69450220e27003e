import type { Kysely } from "kysely";
import { parseCorners } from "../backend/geofences.ts";
import type { Geofence } from "../contract/index.ts";
import type { Database } from "../database/schema.ts";

export interface WatchedArea extends Geofence {
  readonly userId: string;
}

/** What the alarm service knows of the geofences, and of who may see which sensor: a copy, read anew every few seconds. */
export class WatchedAreas {
  readonly #db: Kysely<Database>;
  #areas: ReadonlyMap<string, readonly WatchedArea[]> = new Map();
  #readers: ReadonlyMap<string, readonly string[]> = new Map();
  #names: ReadonlyMap<string, string> = new Map();

  constructor(db: Kysely<Database>) {
    this.#db = db;
  }

  async refresh(): Promise<void> {
    const [areas, readers, names] = await Promise.all([
      this.#db.selectFrom("geofences").select(["id", "user_id", "name", "corners"]).execute(),
      this.#db.selectFrom("readers").select(["sensor_id", "user_id"]).execute(),
      this.#db.selectFrom("sensors").select(["id", "name"]).where("deleted_at", "is", null).execute(),
    ]);
    this.#areas = Map.groupBy(
      areas.map(({ id, user_id: userId, name, corners }) => ({
        id,
        userId,
        name,
        corners: parseCorners(corners),
      })),
      ({ userId }) => userId,
    );
    this.#readers = new Map(
      [...Map.groupBy(readers, (reader) => reader.sensor_id)].map(([sensorId, group]) => [
        sensorId,
        group.map((reader) => reader.user_id),
      ]),
    );
    this.#names = new Map(names.map(({ id, name }) => [id, name]));
  }

  /** The geofences of everybody who may see the sensor. */
  *around(ownerId: string, sensorId: string): Iterable<WatchedArea> {
    yield* this.#areas.get(ownerId) ?? [];
    for (const reader of this.#readers.get(sensorId) ?? []) yield* this.#areas.get(reader) ?? [];
  }

  sensorName(sensorId: string): string {
    return this.#names.get(sensorId) ?? sensorId;
  }
}
