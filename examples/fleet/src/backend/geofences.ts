import type { Kysely, Selectable } from "kysely";
import { newId } from "../accounts/secret.ts";
import type { Alarm, Geofence, GeofenceDrawing } from "../contract/index.ts";
import type { AlarmsTable, Database } from "../database/schema.ts";
import { notFound, Problem } from "./problem.ts";

const MAX_GEOFENCES_OF_USER = 100;

/** A user's geofences, and the alarms that they raised. */
export class Geofences {
  readonly #db: Kysely<Database>;

  constructor(db: Kysely<Database>) {
    this.#db = db;
  }

  async list(userId: string): Promise<Geofence[]> {
    const rows = await this.#db
      .selectFrom("geofences")
      .select(["id", "name", "corners"])
      .where("user_id", "=", userId)
      .orderBy("name")
      .orderBy("id")
      .execute();
    return rows.map(({ id, name, corners }) => ({ id, name, corners: parseCorners(corners) }));
  }

  async create(userId: string, { name, corners }: GeofenceDrawing): Promise<Geofence> {
    const own = await this.list(userId);
    if (own.length >= MAX_GEOFENCES_OF_USER)
      throw new Problem(409, "conflict", `A user has at most ${MAX_GEOFENCES_OF_USER} geofences.`);
    const geofence = { id: newId(), name, corners };
    await this.#db
      .insertInto("geofences")
      .values({ id: geofence.id, user_id: userId, name, corners: JSON.stringify(corners) })
      .execute();
    return geofence;
  }

  async delete(userId: string, id: string): Promise<void> {
    const deleted = await this.#db
      .deleteFrom("geofences")
      .where("id", "=", id)
      .where("user_id", "=", userId)
      .executeTakeFirst();
    if (deleted.numDeletedRows === 0n) throw notFound("geofence");
  }

  /** The newest first. */
  async alarms(userId: string, before: Date | undefined, limit: number): Promise<Alarm[]> {
    let query = this.#db.selectFrom("alarms").selectAll().where("user_id", "=", userId);
    if (before) query = query.where("recorded_at", "<", before);
    const rows = await query.orderBy("recorded_at", "desc").orderBy("id").limit(limit).execute();
    return rows.map(toAlarm);
  }
}

/** The column holds what `create` wrote. */
export function parseCorners(text: string): Geofence["corners"] {
  return JSON.parse(text) as Geofence["corners"];
}

export function toAlarm(row: Selectable<AlarmsTable>): Alarm {
  return {
    id: row.id,
    kind: row.kind,
    geofenceId: row.geofence_id,
    geofenceName: row.geofence_name,
    sensorId: row.sensor_id,
    sensorName: row.sensor_name,
    at: row.recorded_at.toISOString(),
    lat: row.lat,
    lon: row.lon,
  };
}
