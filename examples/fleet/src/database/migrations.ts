import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

/** In the order of their names. One that was released is never changed: add another. */
export const migrations: Readonly<Record<string, Migration>> = {
  "0001-accounts": { up: createAccounts },
  "0002-sensors": { up: createSensors },
  "0003-positions": { up: createPositions },
  "0004-geofences": { up: createGeofences },
};

const now = sql`now()`;

async function createAccounts(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("users")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("email", "text", (column) => column.notNull().unique())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("password_hash", "text", (column) => column.notNull())
    .addColumn("created_at", "timestamptz", (column) => column.notNull().defaultTo(now))
    .execute();
  await db.schema
    .createTable("sessions")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("user_id", "text", (column) => column.notNull().references("users.id").onDelete("cascade"))
    .addColumn("token_id", "text")
    .addColumn("expires_at", "timestamptz", (column) => column.notNull())
    .addColumn("pending", "text")
    .addColumn("pending_version", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("created_at", "timestamptz", (column) => column.notNull().defaultTo(now))
    .execute();
  await db.schema.createIndex("sessions_of_user").on("sessions").column("user_id").execute();
}

async function createSensors(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("sensors")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("user_id", "text", (column) => column.notNull().references("users.id").onDelete("cascade"))
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("secret_hash", "text", (column) => column.notNull().unique())
    .addColumn("token_id", "text")
    .addColumn("created_at", "timestamptz", (column) => column.notNull().defaultTo(now))
    .addColumn("deleted_at", "timestamptz")
    .execute();
  await db.schema.createIndex("sensors_of_user").on("sensors").column("user_id").execute();
  await db.schema
    .createTable("readers")
    .addColumn("sensor_id", "text", (column) => column.notNull().references("sensors.id").onDelete("cascade"))
    .addColumn("user_id", "text", (column) => column.notNull().references("users.id").onDelete("cascade"))
    .addPrimaryKeyConstraint("readers_key", ["sensor_id", "user_id"])
    .execute();
  await db.schema.createIndex("readers_of_user").on("readers").column("user_id").execute();
}

/** No foreign key: the storage writes what was published, also of a sensor that is deleted in that moment. */
async function createPositions(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("positions")
    .addColumn("sensor_id", "text", (column) => column.notNull())
    .addColumn("recorded_at", "timestamptz", (column) => column.notNull())
    .addColumn("lat", "double precision", (column) => column.notNull())
    .addColumn("lon", "double precision", (column) => column.notNull())
    .addColumn("speed", "double precision")
    .addColumn("bearing", "double precision")
    .addPrimaryKeyConstraint("positions_key", ["sensor_id", "recorded_at"])
    .execute();
}

async function createGeofences(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("geofences")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("user_id", "text", (column) => column.notNull().references("users.id").onDelete("cascade"))
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("corners", "text", (column) => column.notNull())
    .addColumn("created_at", "timestamptz", (column) => column.notNull().defaultTo(now))
    .execute();
  await db.schema.createIndex("geofences_of_user").on("geofences").column("user_id").execute();
  await db.schema
    .createTable("geofence_presence")
    .addColumn("geofence_id", "text", (column) =>
      column.notNull().references("geofences.id").onDelete("cascade"),
    )
    .addColumn("sensor_id", "text", (column) => column.notNull())
    .addColumn("is_inside", "boolean", (column) => column.notNull())
    .addColumn("recorded_at", "timestamptz", (column) => column.notNull())
    .addPrimaryKeyConstraint("geofence_presence_key", ["geofence_id", "sensor_id"])
    .execute();
  await createAlarms(db);
}

async function createAlarms(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("alarms")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("user_id", "text", (column) => column.notNull().references("users.id").onDelete("cascade"))
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("geofence_id", "text", (column) => column.notNull())
    .addColumn("geofence_name", "text", (column) => column.notNull())
    .addColumn("sensor_id", "text", (column) => column.notNull())
    .addColumn("sensor_name", "text", (column) => column.notNull())
    .addColumn("recorded_at", "timestamptz", (column) => column.notNull())
    .addColumn("lat", "double precision", (column) => column.notNull())
    .addColumn("lon", "double precision", (column) => column.notNull())
    .addColumn("published_at", "timestamptz")
    .execute();
  await db.schema.createIndex("alarms_of_user").on("alarms").columns(["user_id", "recorded_at"]).execute();
}
