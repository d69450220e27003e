import type { GeofenceDrawing, PageSettings, Roads } from "weir-fleet/contract";
import type { FleetState } from "../state/fleet-state.svelte.ts";
import { addMapGestures } from "./map-gestures.ts";
import { type Brush, paintMap, type RoadLines, toRoadLines } from "./map-painter.ts";
import { readPalette } from "./map-palette.ts";
import { MapTiles } from "./map-tiles.ts";
import { MapView, type Padding, type ScreenPoint } from "./map-view.ts";
import { type MapPoint, toPlace } from "./projection.ts";
import { VehicleSprites } from "./vehicle-sprites.ts";

/** With more vehicles the map is painted at intervals: nobody sees single ones of thousands move. */
const FULL_RATE_VEHICLES = 300;
const CROWDED_FRAME_MS = 250;
const HIT_PX = 20;
const MIN_CORNERS = 3;

/** The map in a canvas: it paints the fleet's state whenever that has changed, at most once a frame. */
export class FleetMap {
  readonly #canvas: HTMLCanvasElement;
  readonly #fleet: FleetState;
  readonly #view = new MapView();
  readonly #tiles: MapTiles | undefined;
  readonly #padding: () => Padding;
  readonly #stops: (() => void)[] = [];
  #brush: Brush;
  #roads: { readonly source: Roads; readonly lines: RoadLines };
  #drawing: MapPoint[] | undefined;
  #drawingChanged: (corners: number) => void = () => undefined;
  #frame: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #paintedAtMs = 0;
  #hasFitted = false;

  /** @param padding what covers the map at its edges */
  constructor(canvas: HTMLCanvasElement, fleet: FleetState, settings: PageSettings, padding: () => Padding) {
    this.#canvas = canvas;
    this.#fleet = fleet;
    this.#padding = padding;
    this.#tiles = settings.tiles ? new MapTiles(settings.tiles, () => this.repaint()) : undefined;
    this.#roads = { source: fleet.roads, lines: toRoadLines(fleet.roads) };
    this.#brush = this.#makeBrush();
    fleet.onMapChange = () => this.repaint();
    this.#watch();
  }

  close(): void {
    this.#fleet.onMapChange = () => undefined;
    for (const stop of this.#stops) stop();
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
  }

  /** Shows every vehicle; the roads where there is none. */
  fit(): void {
    const points = this.#points();
    if (points.length === 0) return;
    this.#view.fit(points, this.#padding());
    this.repaint();
  }

  zoom(steps: number): void {
    this.#view.zoomBy(steps);
    this.repaint();
  }

  /** Brings a vehicle to the middle of what is free of the map. */
  show(id: string): void {
    const vehicle = this.#fleet.vehicles.get(id);
    if (!vehicle?.last) return;
    if (this.#view.zoom < 13) this.#view.zoom = 14;
    this.#view.centreOn(vehicle.last.point, this.#padding());
    this.repaint();
  }

  /** Taps set corners from now on. `changed` is told how many there are. */
  beginDrawing(changed: (corners: number) => void): void {
    this.#drawing = [];
    this.#drawingChanged = changed;
    this.repaint();
  }

  removeCorner(): void {
    this.#drawing?.pop();
    this.#drawingChanged(this.#drawing?.length ?? 0);
    this.repaint();
  }

  /** For those who do not draw: a rectangle in the middle of what they see. */
  drawVisible(): void {
    const { top, right, bottom, left } = this.#padding();
    const { width, height } = this.#view;
    const [x1, x2] = [left + (width - left - right) * 0.25, left + (width - left - right) * 0.75];
    const [y1, y2] = [top + (height - top - bottom) * 0.25, top + (height - top - bottom) * 0.75];
    this.#drawing = [
      { x: x1, y: y1 },
      { x: x2, y: y1 },
      { x: x2, y: y2 },
      { x: x1, y: y2 },
    ].map((corner) => this.#view.fromScreen(corner));
    this.#drawingChanged(this.#drawing.length);
    this.repaint();
  }

  /** What was drawn; undefined if it is no area yet. Either way drawing is over. */
  endDrawing(): GeofenceDrawing["corners"] | undefined {
    const corners = this.#drawing ?? [];
    this.#drawing = undefined;
    this.repaint();
    if (corners.length < MIN_CORNERS) return undefined;
    return corners.map((corner) => {
      const { lat, lon } = toPlace(corner);
      return [lat, lon];
    });
  }

  /** In the next frame, or a little later where there are many vehicles. */
  repaint(): void {
    if (this.#frame !== undefined || this.#timer !== undefined) return;
    const isCrowded = this.#fleet.vehicles.size > FULL_RATE_VEHICLES;
    const waitMs = isCrowded ? this.#paintedAtMs + CROWDED_FRAME_MS - performance.now() : 0;
    if (waitMs <= 0) this.#frame = requestAnimationFrame(() => this.#paint());
    else
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.repaint();
      }, waitMs);
  }

  #paint(): void {
    this.#frame = undefined;
    this.#paintedAtMs = performance.now();
    const fleet = this.#fleet;
    if (!this.#hasFitted && this.#isReady()) {
      this.#hasFitted = true;
      this.#view.fit(this.#points(), this.#padding());
    }
    const moves = paintMap(this.#brush, {
      roads: this.#roadLines(),
      tiles: this.#tiles,
      areas: fleet.geofences,
      vehicles: [...fleet.vehicles.values()],
      userId: fleet.user.id,
      selectedId: fleet.selectedId,
      track: fleet.track?.fixes() ?? [],
      drawing: this.#drawing,
      nowMs: this.#paintedAtMs,
    });
    if (moves) this.repaint();
  }

  #isReady(): boolean {
    return this.#view.width > 1 && this.#points().length > 0;
  }

  #points(): MapPoint[] {
    const vehicles = [...this.#fleet.vehicles.values()].flatMap(({ last }) => (last ? [last.point] : []));
    return vehicles.length > 0 ? vehicles : this.#roadLines().lines.flat();
  }

  #roadLines(): RoadLines {
    const source = this.#fleet.roads;
    if (this.#roads.source !== source) this.#roads = { source, lines: toRoadLines(source) };
    return this.#roads.lines;
  }

  #makeBrush(): Brush {
    const palette = readPalette(this.#canvas);
    const context = this.#canvas.getContext("2d", { alpha: false }) as CanvasRenderingContext2D;
    return {
      context,
      view: this.#view,
      palette,
      sprites: new VehicleSprites(palette.outline, devicePixelRatio),
    };
  }

  #watch(): void {
    const resizing = new ResizeObserver(() => this.#resize());
    resizing.observe(this.#canvas);
    const theme = new MutationObserver(() => this.#restyle());
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    this.#stops.push(
      addMapGestures(this.#canvas, this.#view, {
        moved: () => this.repaint(),
        tapped: (at) => this.#tapped(at),
        doubleTapped: () => this.#drawing !== undefined,
      }),
      () => resizing.disconnect(),
      () => theme.disconnect(),
    );
  }

  #resize(): void {
    const { clientWidth, clientHeight } = this.#canvas;
    this.#canvas.width = clientWidth * devicePixelRatio;
    this.#canvas.height = clientHeight * devicePixelRatio;
    this.#brush.context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    this.#view.resize(clientWidth, clientHeight);
    this.repaint();
  }

  #restyle(): void {
    this.#brush = this.#makeBrush();
    this.repaint();
  }

  #tapped(at: ScreenPoint): void {
    if (this.#drawing) {
      this.#drawing.push(this.#view.fromScreen(at));
      this.#drawingChanged(this.#drawing.length);
      this.repaint();
      return;
    }
    this.#fleet.select(this.#vehicleAt(at));
  }

  #vehicleAt(at: ScreenPoint): string | undefined {
    const nowMs = performance.now();
    let nearest: string | undefined;
    let nearestPx = HIT_PX;
    for (const vehicle of this.#fleet.vehicles.values()) {
      if (!vehicle.last) continue;
      const { x, y } = this.#view.toScreen(vehicle.pointAt(nowMs));
      const distance = Math.hypot(x - at.x, y - at.y);
      if (distance >= nearestPx) continue;
      nearestPx = distance;
      nearest = vehicle.id;
    }
    return nearest;
  }
}
