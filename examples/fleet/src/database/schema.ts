import type { ColumnType, Generated } from "kysely";

type Time = ColumnType<Date, Date | string, Date | string>;
type MadeAt = ColumnType<Date, never, never>;

/** The tables, as kysely sees them. Ids are texts without `/ + #`: they stand in topics. */
export interface Database {
  readonly users: UsersTable;
  readonly sessions: SessionsTable;
  readonly sensors: SensorsTable;
  readonly readers: ReadersTable;
  readonly positions: PositionsTable;
  readonly geofences: GeofencesTable;
  readonly geofence_presence: GeofencePresenceTable;
  readonly alarms: AlarmsTable;
}

export interface UsersTable {
  readonly id: string;
  /** In lower case. */
  readonly email: string;
  readonly name: string;
  /** As `hashPassword` makes it. */
  readonly password_hash: string;
  readonly created_at: MadeAt;
}

/** A login. Its access token at the broker carries the user's rights. */
export interface SessionsTable {
  /** SHA-256 of the cookie, in hexadecimal. */
  readonly id: string;
  readonly user_id: string;
  /** The id of the access token at the broker; null until it is made. */
  readonly token_id: string | null;
  readonly expires_at: Time;
  /** What the broker has still to be told: the user's rights have changed, or the login has ended. */
  readonly pending: "rights" | "end" | null;
  /** Rises with each change of `pending`, so that news which come while the broker is told are not lost. */
  readonly pending_version: Generated<number>;
  readonly created_at: MadeAt;
}

export interface SensorsTable {
  readonly id: string;
  readonly user_id: string;
  readonly name: string;
  /** SHA-256 of the device id that trackers send over HTTP, in hexadecimal. */
  readonly secret_hash: string;
  /** The id of the device's access token at the broker. */
  readonly token_id: string | null;
  readonly created_at: MadeAt;
  /** Deleted ones stay until the broker has forgotten their last position. */
  readonly deleted_at: ColumnType<Date | null, never, Date>;
}

/** Who else may read a sensor. */
export interface ReadersTable {
  readonly sensor_id: string;
  readonly user_id: string;
}

export interface PositionsTable {
  readonly sensor_id: string;
  readonly recorded_at: Time;
  readonly lat: number;
  readonly lon: number;
  /** Kilometres an hour. */
  readonly speed: number | null;
  /** Degrees from north. */
  readonly bearing: number | null;
}

export interface GeofencesTable {
  readonly id: string;
  readonly user_id: string;
  readonly name: string;
  /** JSON: [[lat, lon], …] */
  readonly corners: string;
  readonly created_at: MadeAt;
}

/** On which side of a geofence's border a sensor was last. */
export interface GeofencePresenceTable {
  readonly geofence_id: string;
  readonly sensor_id: string;
  readonly is_inside: boolean;
  /** Of the position that says so: older ones say nothing new. */
  readonly recorded_at: Time;
}

export interface AlarmsTable {
  readonly id: string;
  readonly user_id: string;
  readonly kind: "entered" | "left";
  readonly geofence_id: string;
  readonly geofence_name: string;
  readonly sensor_id: string;
  readonly sensor_name: string;
  readonly recorded_at: Time;
  readonly lat: number;
  readonly lon: number;
  /** Null until the broker has acknowledged it. */
  readonly published_at: ColumnType<Date | null, never, Date>;
}
