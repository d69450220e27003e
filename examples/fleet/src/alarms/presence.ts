import type { Kysely } from "kysely";
import type { Database } from "../database/schema.ts";

export interface Side {
  readonly isInside: boolean;
  /** Of the position that says so. */
  readonly atMs: number;
}

/** On which side of each border each vehicle was last: in memory, and in the database with each alarm. */
export class Presence {
  readonly #sides = new Map<string, Side>();

  async load(db: Kysely<Database>): Promise<void> {
    const rows = await db.selectFrom("geofence_presence").selectAll().execute();
    for (const { geofence_id, sensor_id, is_inside, recorded_at } of rows)
      this.#sides.set(keyOf(geofence_id, sensor_id), { isInside: is_inside, atMs: recorded_at.getTime() });
  }

  get(areaId: string, sensorId: string): Side | undefined {
    return this.#sides.get(keyOf(areaId, sensorId));
  }

  set(areaId: string, sensorId: string, side: Side): void {
    this.#sides.set(keyOf(areaId, sensorId), side);
  }
}

function keyOf(areaId: string, sensorId: string): string {
  return `${areaId}/${sensorId}`;
}
