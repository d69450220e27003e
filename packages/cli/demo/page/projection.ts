export interface GeoPoint {
  readonly lat: number;
  readonly lon: number;
}

export interface ScreenPoint {
  readonly x: number;
  readonly y: number;
}

const METRES_PER_DEGREE = 111_320;

/** The ground in metres east and south of its first point: over one town, the earth is flat. */
export class Projection {
  readonly #origin: GeoPoint;
  readonly #shrink: number;

  constructor(origin: GeoPoint) {
    this.#origin = origin;
    this.#shrink = Math.cos((origin.lat * Math.PI) / 180);
  }

  toGround({ lat, lon }: GeoPoint): ScreenPoint {
    return {
      x: (lon - this.#origin.lon) * METRES_PER_DEGREE * this.#shrink,
      y: (this.#origin.lat - lat) * METRES_PER_DEGREE,
    };
  }
}

/** What part of the ground the screen shows: the ground's point in its middle, and pixels a metre. */
export interface View {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export function distanceM(a: ScreenPoint, b: ScreenPoint): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
