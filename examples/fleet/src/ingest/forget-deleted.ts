import type { Kysely } from "kysely";
import type { Database } from "../database/schema.ts";
import type { PositionPublisher } from "./position-publisher.ts";

const AT_ONCE = 100;

/** Clears the last position of deleted sensors at the broker; then nothing is left of them. */
export async function forgetDeleted(db: Kysely<Database>, publisher: PositionPublisher): Promise<void> {
  const deleted = await db
    .selectFrom("sensors")
    .select(["id", "user_id"])
    .where("deleted_at", "is not", null)
    .limit(AT_ONCE)
    .execute();
  for (const { id, user_id: userId } of deleted) {
    await publisher.clear({ sensorId: id, userId });
    await db.deleteFrom("positions").where("sensor_id", "=", id).execute();
    await db.deleteFrom("sensors").where("id", "=", id).execute();
  }
}
