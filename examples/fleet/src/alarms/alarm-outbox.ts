import { type Kysely, sql } from "kysely";
import type { MqttClient } from "mqtt";
import { toAlarm } from "../backend/geofences.ts";
import { alarmTopic } from "../contract/index.ts";
import type { Database } from "../database/schema.ts";

const AT_ONCE = 100;

/** Publishes the alarms that are kept and not told yet, in the order of time: also those from before a crash. */
export class AlarmOutbox {
  readonly #db: Kysely<Database>;
  readonly #client: MqttClient;

  constructor(db: Kysely<Database>, client: MqttClient) {
    this.#db = db;
    this.#client = client;
  }

  /** Resolves when none waits. An alarm may be published twice, with the same id. */
  async flush(): Promise<void> {
    for (;;) {
      const waiting = await this.#db
        .selectFrom("alarms")
        .selectAll()
        .where("published_at", "is", null)
        .orderBy("recorded_at")
        .orderBy("id")
        .limit(AT_ONCE)
        .execute();
      for (const row of waiting) {
        await this.#client.publishAsync(alarmTopic(row.user_id), JSON.stringify(toAlarm(row)), { qos: 1 });
        await this.#db
          .updateTable("alarms")
          .set({ published_at: sql<Date>`now()` })
          .where("id", "=", row.id)
          .execute();
      }
      if (waiting.length < AT_ONCE) return;
    }
  }
}
