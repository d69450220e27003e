import type { PolicyEntry } from "@weir/api";
import type { Kysely } from "kysely";
import { commandTopic, positionTopic } from "../contract/index.ts";
import type { Database } from "../database/schema.ts";

/** A policy has at most 1,000 entries; two are the user's own. */
export const MAX_SHARED_SENSORS = 900;

/** What a user may do at the broker: read all that is theirs and what is shared with them, and command their devices. */
export async function userRights(db: Kysely<Database>, userId: string): Promise<PolicyEntry[]> {
  const shared = await db
    .selectFrom("readers")
    .innerJoin("sensors", "sensors.id", "readers.sensor_id")
    .select(["sensors.id", "sensors.user_id"])
    .where("readers.user_id", "=", userId)
    .where("sensors.deleted_at", "is", null)
    .orderBy("sensors.id")
    .limit(MAX_SHARED_SENSORS)
    .execute();
  return [
    { actions: ["subscribe"], topic: `data/${userId}/#` },
    { actions: ["publish"], topic: commandTopic(userId, "+"), retain: false },
    ...shared.map(({ id, user_id: ownerId }) => subscribeTo(positionTopic(ownerId, id))),
  ];
}

/** What a device may do: publish its own positions, and read the commands that are for it. */
export function deviceRights(userId: string, sensorId: string): PolicyEntry[] {
  return [
    { actions: ["publish"], topic: devicePublishTopic(sensorId), retain: false },
    subscribeTo(commandTopic(userId, sensorId)),
  ];
}

/** Where a device publishes; the ingest service takes it from there. */
export function devicePublishTopic(sensorId: string): string {
  return `ingest/${sensorId}`;
}

function subscribeTo(topic: string): PolicyEntry {
  return { actions: ["subscribe"], topic };
}
