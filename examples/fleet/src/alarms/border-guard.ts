import type { Insertable, Kysely, Transaction } from "kysely";
import { newId } from "../accounts/secret.ts";
import type { ConsumedMessage } from "../consumer/mqtt-consumer.ts";
import { parseDataTopic, type Position } from "../contract/index.ts";
import type { AlarmsTable, Database } from "../database/schema.ts";
import { parsePosition } from "../storage/parse-position.ts";
import { isInside } from "./polygon.ts";
import type { Presence, Side } from "./presence.ts";
import type { WatchedArea, WatchedAreas } from "./watched-areas.ts";

/** A vehicle is on another side of a border than it was, or was seen for the first time. */
interface Crossing {
  readonly area: WatchedArea;
  readonly sensorId: string;
  readonly position: Position;
  readonly side: Side;
  readonly isFirst: boolean;
}

/** Finds the crossings of borders in positions, and keeps them as alarms. */
export class BorderGuard {
  readonly #db: Kysely<Database>;
  readonly #areas: WatchedAreas;
  readonly #presence: Presence;

  constructor(db: Kysely<Database>, areas: WatchedAreas, presence: Presence) {
    this.#db = db;
    this.#areas = areas;
    this.#presence = presence;
  }

  /** Resolves when what follows from the positions is committed: they may then be acknowledged. */
  async look(batch: readonly ConsumedMessage[]): Promise<void> {
    for (const message of batch) {
      const crossings = this.#crossingsIn(message);
      if (crossings.length === 0) continue;
      await this.#db.transaction().execute(async (transaction) => {
        for (const crossing of crossings) await this.#keep(transaction, crossing);
      });
      for (const { area, sensorId, side } of crossings) this.#presence.set(area.id, sensorId, side);
    }
  }

  #crossingsIn({ topic, payload }: ConsumedMessage): Crossing[] {
    const address = parseDataTopic(topic);
    if (address?.sensorId === undefined) return [];
    const position = parsePosition(payload);
    if (!position) return [];
    const { userId, sensorId } = address;
    return [...this.#areas.around(userId, sensorId)].flatMap((area) => {
      const side = {
        isInside: isInside(area.corners, position.lat, position.lon),
        atMs: Date.parse(position.at),
      };
      const last = this.#presence.get(area.id, sensorId);
      const isNews = !last || (side.atMs > last.atMs && side.isInside !== last.isInside);
      return isNews ? [{ area, sensorId, position, side, isFirst: !last }] : [];
    });
  }

  async #keep(transaction: Transaction<Database>, crossing: Crossing): Promise<void> {
    const { area, sensorId, position, side, isFirst } = crossing;
    const values = { is_inside: side.isInside, recorded_at: position.at };
    // The area may have been deleted since it was read: then there is nothing to keep
    const isThere = await transaction
      .selectFrom("geofences")
      .select("id")
      .where("id", "=", area.id)
      .forUpdate()
      .executeTakeFirst();
    if (!isThere) return;
    await transaction
      .insertInto("geofence_presence")
      .values({ geofence_id: area.id, sensor_id: sensorId, ...values })
      .onConflict((conflict) => conflict.columns(["geofence_id", "sensor_id"]).doUpdateSet(values))
      .execute();
    if (!isFirst) await transaction.insertInto("alarms").values(this.#toRow(crossing)).execute();
  }

  #toRow({ area, sensorId, position, side }: Crossing): Insertable<AlarmsTable> {
    return {
      id: newId(),
      user_id: area.userId,
      kind: side.isInside ? "entered" : "left",
      geofence_id: area.id,
      geofence_name: area.name,
      sensor_id: sensorId,
      sensor_name: this.#areas.sensorName(sensorId),
      recorded_at: position.at,
      lat: position.lat,
      lon: position.lon,
    };
  }
}
