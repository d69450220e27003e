import Type, { type Static } from "typebox";

const closed = { additionalProperties: false } as const;

const Corner = Type.Tuple([
  Type.Number({ minimum: -90, maximum: 90, description: "Latitude" }),
  Type.Number({ minimum: -180, maximum: 180, description: "Longitude" }),
]);

export const GeofenceDrawing = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 80 }),
    corners: Type.Array(Corner, { minItems: 3, maxItems: 100 }),
  },
  closed,
);
export type GeofenceDrawing = Static<typeof GeofenceDrawing>;

/** An area whose borders raise alarms when a vehicle that its user may see crosses them. */
export interface Geofence {
  readonly id: string;
  readonly name: string;
  readonly corners: readonly (readonly [lat: number, lon: number])[];
}
