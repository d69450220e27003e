/** A vehicle crossed the border of a geofence: the payload on `data/{user}/alarms`, at QoS 1. */
export interface Alarm {
  /** The same crossing has the same id, however often it is told. */
  readonly id: string;
  readonly kind: "entered" | "left";
  readonly geofenceId: string;
  readonly geofenceName: string;
  readonly sensorId: string;
  readonly sensorName: string;
  /** RFC 3339. */
  readonly at: string;
  readonly lat: number;
  readonly lon: number;
}
