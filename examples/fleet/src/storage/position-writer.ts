import type { Insertable, Kysely } from "kysely";
import type { Logger } from "pino";
import type { ConsumedMessage } from "../consumer/mqtt-consumer.ts";
import { parseDataTopic } from "../contract/index.ts";
import type { Database, PositionsTable } from "../database/schema.ts";
import { parsePosition } from "./parse-position.ts";

type Row = Insertable<PositionsTable>;

/** Writes positions, a batch in one statement. The same position twice is stored once: sensor and time are the key. */
export class PositionWriter {
  readonly #db: Kysely<Database>;
  readonly #logger: Logger;

  constructor(db: Kysely<Database>, logger: Logger) {
    this.#db = db;
    this.#logger = logger;
  }

  /** Resolves when all are committed. What is no position is logged and left out: it would never be one. */
  async write(batch: readonly ConsumedMessage[]): Promise<void> {
    const rows = batch.flatMap((message) => this.#toRow(message));
    if (rows.length === 0) return;
    await this.#db
      .insertInto("positions")
      .values(rows)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  #toRow({ topic, payload }: ConsumedMessage): Row[] {
    const address = parseDataTopic(topic);
    if (address?.sensorId === undefined || payload.length === 0) return [];
    const position = parsePosition(payload);
    if (!position) {
      this.#logger.warn({ topic }, "a message is no position; left out");
      return [];
    }
    const { at, lat, lon, speed, bearing } = position;
    return [{ sensor_id: address.sensorId, recorded_at: at, lat, lon, speed, bearing }];
  }
}
