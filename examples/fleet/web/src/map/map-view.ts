import { clamp, type MapPoint, toMap, toPlace } from "./projection.ts";

/** A place on the screen, in CSS pixels from the map's top left. */
export interface ScreenPoint {
  readonly x: number;
  readonly y: number;
}

export interface Padding {
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly left: number;
}

const TILE = 256;
const MIN_ZOOM = 2;
const MAX_ZOOM = 19;
const MAX_FIT_ZOOM = 15;

/** Which part of the world the map shows. A zoom of z makes the world 256 · 2^z pixels wide. */
export class MapView {
  width = 1;
  height = 1;
  zoom = 3;
  #centre: MapPoint = toMap(30, 0);

  /** Pixels for the whole width of the world. */
  get scale(): number {
    return TILE * 2 ** this.zoom;
  }

  resize(width: number, height: number): void {
    this.width = Math.max(width, 1);
    this.height = Math.max(height, 1);
  }

  screenX(x: number): number {
    return (x - this.#centre.x) * this.scale + this.width / 2;
  }

  screenY(y: number): number {
    return (y - this.#centre.y) * this.scale + this.height / 2;
  }

  toScreen(point: MapPoint): ScreenPoint {
    return { x: this.screenX(point.x), y: this.screenY(point.y) };
  }

  fromScreen({ x, y }: ScreenPoint): MapPoint {
    return {
      x: (x - this.width / 2) / this.scale + this.#centre.x,
      y: (y - this.height / 2) / this.scale + this.#centre.y,
    };
  }

  placeAt(point: ScreenPoint): { readonly lat: number; readonly lon: number } {
    return toPlace(this.fromScreen(point));
  }

  moveBy(dx: number, dy: number): void {
    this.#centre = { x: this.#centre.x - dx / this.scale, y: clamp(this.#centre.y - dy / this.scale, 0, 1) };
  }

  /** The place below `at` stays where it is. */
  zoomBy(steps: number, at: ScreenPoint = { x: this.width / 2, y: this.height / 2 }): void {
    const before = this.fromScreen(at);
    this.zoom = clamp(this.zoom + steps, MIN_ZOOM, MAX_ZOOM);
    const after = this.fromScreen(at);
    this.#centre = { x: this.#centre.x + before.x - after.x, y: this.#centre.y + before.y - after.y };
  }

  centreOn(point: MapPoint, padding: Padding): void {
    this.#centre = point;
    this.moveBy((padding.left - padding.right) / 2, (padding.top - padding.bottom) / 2);
  }

  /** Shows all the points within what the padding leaves of the map. */
  fit(points: readonly MapPoint[], padding: Padding): void {
    if (points.length === 0) return;
    const xs = points.map(({ x }) => x);
    const ys = points.map(({ y }) => y);
    const [west, east] = [min(xs), max(xs)];
    const [north, south] = [min(ys), max(ys)];
    const free = {
      width: Math.max(this.width - padding.left - padding.right, 50),
      height: Math.max(this.height - padding.top - padding.bottom, 50),
    };
    const pixels = Math.min(
      free.width / Math.max(east - west, 1e-9),
      free.height / Math.max(south - north, 1e-9),
    );
    this.zoom = clamp(Math.log2(pixels / TILE), MIN_ZOOM, MAX_FIT_ZOOM);
    this.centreOn({ x: (west + east) / 2, y: (north + south) / 2 }, padding);
  }
}

/** `Math.min(...values)` fails on very long lists. */
function min(values: readonly number[]): number {
  return values.reduce((low, value) => Math.min(low, value), Infinity);
}

function max(values: readonly number[]): number {
  return values.reduce((high, value) => Math.max(high, value), -Infinity);
}
