import Type, { type Static } from "typebox";
import type { Position } from "./position.ts";

const closed = { additionalProperties: false } as const;

export const SensorNaming = Type.Object({ name: Type.String({ minLength: 1, maxLength: 80 }) }, closed);
export type SensorNaming = Static<typeof SensorNaming>;

export const Sharing = Type.Object({ email: Type.String({ maxLength: 254 }) }, closed);
export type Sharing = Static<typeof Sharing>;

/** Somebody who may read a sensor of another. */
export interface Reader {
  readonly userId: string;
  readonly email: string;
  readonly name: string;
}

/** A sensor is what sends positions: a tracker in a vehicle, a phone. */
export interface Sensor {
  readonly id: string;
  readonly name: string;
  readonly ownerId: string;
  readonly ownerName: string;
  /** Of one's own sensors; empty for one that is shared by somebody else. */
  readonly readers: readonly Reader[];
  /** The last one stored; the broker's retained message is the newest. */
  readonly lastPosition: Position | null;
}

/** Shown once, when the sensor is made. */
export interface DeviceAccess {
  /** The `id` that a tracker sends over HTTP (OsmAnd protocol). */
  readonly deviceId: string;
  /** The key of the device's access token, for trackers that speak MQTT. */
  readonly token: string;
  /** Where a tracker publishes its positions over MQTT, in JSON or as a query string. */
  readonly publishTo: string;
  /** Where it gets its user's commands. */
  readonly commandsFrom: string;
}

export interface NewSensor {
  readonly sensor: Sensor;
  readonly device: DeviceAccess;
}

/** What a user tells a device, published on `cmd/{user}/{sensor}`. */
export type Command =
  | { readonly command: "report-interval"; readonly seconds: number }
  | { readonly command: "horn"; readonly seconds: number };
