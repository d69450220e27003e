import { type Kysely, sql } from "kysely";
import { hashSecret, newId, newSecret } from "../accounts/secret.ts";
import {
  commandTopic,
  type NewSensor,
  type Position,
  type Reader,
  type Sensor,
  type Track,
} from "../contract/index.ts";
import type { Database } from "../database/schema.ts";
import type { BrokerAccess } from "./broker-access.ts";
import type { Logins } from "./logins.ts";
import { notFound, Problem } from "./problem.ts";
import { devicePublishTopic, deviceRights, MAX_SHARED_SENSORS } from "./rights.ts";

export interface SensorsOptions {
  readonly db: Kysely<Database>;
  readonly broker: BrokerAccess;
  readonly logins: Logins;
}

export interface TrackQuery {
  readonly from: Date;
  readonly to: Date;
  /** Positions at most; of more, the newest. */
  readonly limit: number;
}

const MAX_SENSORS_OF_USER = 10_000;

/** The sensors that a user owns, and those that others share with them. A sensor they may not see does not exist. */
export class Sensors {
  readonly #db: Kysely<Database>;
  readonly #broker: BrokerAccess;
  readonly #logins: Logins;

  constructor({ db, broker, logins }: SensorsOptions) {
    this.#db = db;
    this.#broker = broker;
    this.#logins = logins;
  }

  async list(userId: string): Promise<Sensor[]> {
    const rows = await this.#visible(userId).orderBy("sensors.name").orderBy("sensors.id").execute();
    const readers = await this.#readersOf(rows.filter((row) => row.user_id === userId).map((row) => row.id));
    return rows.map((row) => toSensor(row, readers.get(row.id) ?? []));
  }

  /** Its device's credentials are shown once, here. */
  async create(userId: string, name: string): Promise<NewSensor> {
    await this.#checkRoom(userId);
    const id = newId();
    const deviceId = newSecret();
    const token = await this.#broker.createDeviceToken(id, deviceRights(userId, id));
    await this.#db
      .insertInto("sensors")
      .values({ id, user_id: userId, name, secret_hash: hashSecret(deviceId), token_id: token.id })
      .execute();
    const publishTo = devicePublishTopic(id);
    const device = { deviceId, token: token.key, publishTo, commandsFrom: commandTopic(userId, id) };
    return { sensor: await this.#own(userId, id), device };
  }

  async rename(userId: string, id: string, name: string): Promise<Sensor> {
    await this.#own(userId, id);
    await this.#db.updateTable("sensors").set({ name }).where("id", "=", id).execute();
    return this.#own(userId, id);
  }

  /** The ingest service clears its last position at the broker. */
  async delete(userId: string, id: string): Promise<void> {
    const { readers } = await this.#own(userId, id);
    const { token_id: tokenId } = await this.#db
      .updateTable("sensors")
      .set({ deleted_at: sql<Date>`now()` })
      .where("id", "=", id)
      .returning("token_id")
      .executeTakeFirstOrThrow();
    if (tokenId) await this.#broker.end(tokenId);
    await this.#db.deleteFrom("positions").where("sensor_id", "=", id).execute();
    await this.#logins.rightsChanged(readers.map((reader) => reader.userId));
  }

  /** Lets another user read it; their open page shows it at once. */
  async share(userId: string, id: string, email: string): Promise<Sensor> {
    await this.#own(userId, id);
    const reader = await this.#userOf(email);
    if (reader === userId) throw new Problem(400, "invalid", "It is yours already.");
    await this.#checkShares(reader);
    await this.#db
      .insertInto("readers")
      .values({ sensor_id: id, user_id: reader })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await this.#logins.rightsChanged([reader]);
    return this.#own(userId, id);
  }

  /** Their open page loses it at once. Whoever could not read it is no error. */
  async unshare(userId: string, id: string, reader: string): Promise<Sensor> {
    await this.#own(userId, id);
    await this.#db.deleteFrom("readers").where("sensor_id", "=", id).where("user_id", "=", reader).execute();
    await this.#logins.rightsChanged([reader]);
    return this.#own(userId, id);
  }

  async track(userId: string, id: string, { from, to, limit }: TrackQuery): Promise<Track> {
    const visible = await this.#visible(userId).where("sensors.id", "=", id).executeTakeFirst();
    if (!visible) throw notFound("sensor");
    const rows = await this.#db
      .selectFrom("positions")
      .select(["recorded_at", "lat", "lon", "speed", "bearing"])
      .where("sensor_id", "=", id)
      .where("recorded_at", ">=", from)
      .where("recorded_at", "<", to)
      .orderBy("recorded_at", "desc")
      .limit(limit + 1)
      .execute();
    const isTruncated = rows.length > limit;
    return { positions: rows.slice(0, limit).reverse().map(toPosition), isTruncated };
  }

  async #own(userId: string, id: string): Promise<Sensor> {
    const row = await this.#visible(userId)
      .where("sensors.id", "=", id)
      .where("sensors.user_id", "=", userId)
      .executeTakeFirst();
    if (!row) throw notFound("sensor");
    return toSensor(row, (await this.#readersOf([id])).get(id) ?? []);
  }

  #visible(userId: string) {
    return this.#db
      .selectFrom("sensors")
      .innerJoin("users", "users.id", "sensors.user_id")
      .leftJoinLateral(
        (from) =>
          from
            .selectFrom("positions")
            .select(["recorded_at", "lat", "lon", "speed", "bearing"])
            .whereRef("positions.sensor_id", "=", "sensors.id")
            .orderBy("recorded_at", "desc")
            .limit(1)
            .as("last"),
        (join) => join.onTrue(),
      )
      .select([
        "sensors.id",
        "sensors.name",
        "sensors.user_id",
        "users.name as owner_name",
        "last.recorded_at",
        "last.lat",
        "last.lon",
        "last.speed",
        "last.bearing",
      ])
      .where("sensors.deleted_at", "is", null)
      .where((where) =>
        where.or([
          where("sensors.user_id", "=", userId),
          where.exists(
            where
              .selectFrom("readers")
              .select("readers.sensor_id")
              .whereRef("readers.sensor_id", "=", "sensors.id")
              .where("readers.user_id", "=", userId),
          ),
        ]),
      );
  }

  async #readersOf(ids: readonly string[]): Promise<Map<string, Reader[]>> {
    if (ids.length === 0) return new Map();
    const rows = await this.#db
      .selectFrom("readers")
      .innerJoin("users", "users.id", "readers.user_id")
      .select(["readers.sensor_id", "users.id", "users.email", "users.name"])
      .where("readers.sensor_id", "in", ids)
      .orderBy("users.email")
      .execute();
    const readers = rows.map(({ sensor_id, id, email, name }) => ({
      sensor_id,
      reader: { userId: id, email, name },
    }));
    const grouped = Map.groupBy(readers, ({ sensor_id }) => sensor_id);
    return new Map([...grouped].map(([id, group]) => [id, group.map(({ reader }) => reader)]));
  }

  async #userOf(email: string): Promise<string> {
    const row = await this.#db
      .selectFrom("users")
      .select("id")
      .where("email", "=", email.toLowerCase())
      .executeTakeFirst();
    if (!row) throw new Problem(404, "no-user", "Nobody is registered with this e-mail address.");
    return row.id;
  }

  async #checkRoom(userId: string): Promise<void> {
    const { count } = await this.#db
      .selectFrom("sensors")
      .select((select) => select.fn.countAll<number>().as("count"))
      .where("user_id", "=", userId)
      .executeTakeFirstOrThrow();
    if (count >= MAX_SENSORS_OF_USER)
      throw new Problem(409, "conflict", `A user has at most ${MAX_SENSORS_OF_USER} sensors.`);
  }

  async #checkShares(reader: string): Promise<void> {
    const { count } = await this.#db
      .selectFrom("readers")
      .select((select) => select.fn.countAll<number>().as("count"))
      .where("user_id", "=", reader)
      .executeTakeFirstOrThrow();
    if (count >= MAX_SHARED_SENSORS)
      throw new Problem(
        409,
        "conflict",
        `At most ${MAX_SHARED_SENSORS} sensors can be shared with one user.`,
      );
  }
}

interface SensorRow extends Nullable<PositionRow> {
  readonly id: string;
  readonly name: string;
  readonly user_id: string;
  readonly owner_name: string;
}

interface PositionRow {
  readonly recorded_at: Date;
  readonly lat: number;
  readonly lon: number;
  readonly speed: number | null;
  readonly bearing: number | null;
}

type Nullable<T> = { readonly [K in keyof T]: T[K] | null };

function toSensor(row: SensorRow, readers: readonly Reader[]): Sensor {
  const { id, name, user_id: ownerId, owner_name: ownerName, recorded_at, lat, lon, speed, bearing } = row;
  const isKnown = recorded_at !== null && lat !== null && lon !== null;
  const lastPosition = isKnown ? toPosition({ recorded_at, lat, lon, speed, bearing }) : null;
  return { id, name, ownerId, ownerName, readers, lastPosition };
}

function toPosition({ recorded_at, lat, lon, speed, bearing }: PositionRow): Position {
  return { at: recorded_at.toISOString(), lat, lon, speed, bearing };
}
