import type { Position, Reader, Sensor } from "weir-fleet/contract";
import { type MapPoint, toMap } from "../map/projection.ts";

/** A live position, and where that is on the map. */
export interface Fix extends Position {
  readonly atMs: number;
  readonly point: MapPoint;
}

/** Live positions kept of each vehicle: its trail, and what a track goes on with. */
const MAX_RECENT = 600;
/** Nothing was heard for so long: shown as out of date. */
const STALE_AFTER_MS = 5 * 60_000;

/** What the page knows of a sensor. Changes many times a second: no reactive object, the state tells of it at intervals. */
export class Vehicle {
  readonly id: string;
  readonly ownerId: string;
  readonly ownerName: string;
  name: string;
  readers: readonly Reader[];
  /** Since the page was opened, the oldest first. */
  readonly recent: Fix[] = [];
  last: Fix | undefined;
  /** Of the first position that came since the connection stands: everything before it is to be had from the storage. */
  firstLiveMs: number | undefined;
  #glide: { readonly from: MapPoint; readonly startMs: number; readonly durationMs: number } | undefined;

  constructor({ id, ownerId, ownerName, name, readers, lastPosition }: Sensor) {
    this.id = id;
    this.ownerId = ownerId;
    this.ownerName = ownerName;
    this.name = name;
    this.readers = readers;
    if (lastPosition) this.last = toFix(lastPosition);
  }

  update({ name, readers }: Sensor): void {
    this.name = name;
    this.readers = readers;
  }

  /**
   * Takes a live position; false if it is no news. Positions that arrive late are kept in their place.
   *
   * @param glideMs for how long the vehicle is shown on its way there; 0: at once
   */
  take(position: Position, nowMs: number, glideMs: number): boolean {
    const fix = toFix(position);
    this.firstLiveMs ??= fix.atMs;
    const index = this.recent.findLastIndex(({ atMs }) => atMs <= fix.atMs);
    if (this.recent[index]?.atMs === fix.atMs) return false;
    this.recent.splice(index + 1, 0, fix);
    if (this.recent.length > MAX_RECENT) this.recent.shift();
    if (this.last && this.last.atMs >= fix.atMs) return false;
    this.#glide =
      this.last && glideMs > 0
        ? { from: this.pointAt(nowMs), startMs: nowMs, durationMs: glideMs }
        : undefined;
    this.last = fix;
    return true;
  }

  /** The connection is lost: what comes next does not follow what came last. */
  interrupted(): void {
    this.firstLiveMs = undefined;
  }

  /** Where to show it; it has to have a position. */
  pointAt(nowMs: number): MapPoint {
    const to = (this.last as Fix).point;
    if (!this.#glide) return to;
    const { from, startMs, durationMs } = this.#glide;
    const share = (nowMs - startMs) / durationMs;
    if (share < 1) return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
    this.#glide = undefined;
    return to;
  }

  get isGliding(): boolean {
    return this.#glide !== undefined;
  }

  isStale(nowMs: number): boolean {
    return this.last === undefined || nowMs - this.last.atMs > STALE_AFTER_MS;
  }
}

export function toFix(position: Position): Fix {
  return { ...position, atMs: Date.parse(position.at), point: toMap(position.lat, position.lon) };
}
