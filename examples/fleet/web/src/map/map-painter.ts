import type { Geofence, Roads } from "weir-fleet/contract";
import { stretchesOf } from "../state/stretches.ts";
import type { Fix, Vehicle } from "../state/vehicle.ts";
import type { MapPalette } from "./map-palette.ts";
import type { MapTiles } from "./map-tiles.ts";
import type { MapView } from "./map-view.ts";
import { type MapPoint, toMap } from "./projection.ts";
import type { VehicleSprites } from "./vehicle-sprites.ts";

/** What the map shows at one moment. */
export interface MapScene {
  readonly roads: RoadLines;
  readonly tiles: MapTiles | undefined;
  readonly areas: readonly Geofence[];
  readonly vehicles: readonly Vehicle[];
  readonly userId: string;
  readonly selectedId: string | undefined;
  readonly track: readonly Fix[];
  /** The corners of an area that is being drawn; undefined: none is. */
  readonly drawing: readonly MapPoint[] | undefined;
  /** On the clock of `performance.now`. */
  readonly nowMs: number;
}

/** Roads as points of the map, worked out once. */
export interface RoadLines {
  readonly lines: readonly (readonly MapPoint[])[];
  readonly places: readonly { readonly name: string; readonly point: MapPoint }[];
}

export interface Brush {
  readonly context: CanvasRenderingContext2D;
  readonly view: MapView;
  readonly palette: MapPalette;
  readonly sprites: VehicleSprites;
}

/** Trails and names are for few vehicles: of many they would hide the map. */
const MAX_TRAILS = 150;
const TRAIL_FIXES = 60;
const MAX_NAMES = 40;
const MARGIN_PX = 40;

export function toRoadLines({ lines, places }: Roads): RoadLines {
  return {
    lines: lines.map((line) => line.map(([lat, lon]) => toMap(lat, lon))),
    places: places.map(({ name, lat, lon }) => ({ name, point: toMap(lat, lon) })),
  };
}

/** @returns whether something on it moves by itself: then it wants to be painted again soon */
export function paintMap(brush: Brush, scene: MapScene): boolean {
  const { context, view, palette } = brush;
  context.fillStyle = palette.land;
  context.fillRect(0, 0, view.width, view.height);
  scene.tiles?.paint(context, view);
  paintRoads(brush, scene.roads);
  for (const area of scene.areas) paintArea(brush, area);
  if (scene.drawing) paintDrawing(brush, scene.drawing);
  if (scene.vehicles.length <= MAX_TRAILS) paintTrails(brush, scene);
  paintTrack(brush, scene.track);
  return paintVehicles(brush, scene);
}

function paintRoads(brush: Brush, { lines, places }: RoadLines): void {
  const { context, view, palette } = brush;
  const width = Math.min(Math.max((view.zoom - 9) * 1.2, 1), 8);
  context.lineJoin = "round";
  context.lineCap = "round";
  context.beginPath();
  for (const line of lines) tracePath(brush, line);
  context.strokeStyle = palette.roadEdge;
  context.lineWidth = width + 2;
  context.stroke();
  context.strokeStyle = palette.road;
  context.lineWidth = width;
  context.stroke();
  for (const { name, point } of places) paintText(brush, name, view.toScreen(point), -14, 600);
}

function paintArea(brush: Brush, { name, corners }: Geofence): void {
  const points = corners.map(([lat, lon]) => toMap(lat, lon));
  paintPolygon(brush, points);
  const top = points.reduce((best, point) => (point.y < best.y ? point : best), points[0] as MapPoint);
  const x = points.reduce((sum, point) => sum + point.x, 0) / points.length;
  paintText(brush, name, brush.view.toScreen({ x, y: top.y }), 14, 600);
}

function paintDrawing(brush: Brush, corners: readonly MapPoint[]): void {
  paintPolygon(brush, corners);
  brush.context.fillStyle = brush.palette.area;
  for (const corner of corners) {
    const { x, y } = brush.view.toScreen(corner);
    brush.context.beginPath();
    brush.context.arc(x, y, 5, 0, 2 * Math.PI);
    brush.context.fill();
  }
}

function paintPolygon(brush: Brush, corners: readonly MapPoint[]): void {
  const { context, palette } = brush;
  context.beginPath();
  tracePath(brush, corners);
  context.closePath();
  context.fillStyle = palette.areaFill;
  context.fill();
  context.strokeStyle = palette.area;
  context.lineWidth = 2;
  context.setLineDash([6, 4]);
  context.stroke();
  context.setLineDash([]);
}

function paintTrails(brush: Brush, { vehicles, selectedId, userId }: MapScene): void {
  const { context, palette } = brush;
  context.lineWidth = 3;
  for (const { id, ownerId, recent } of vehicles) {
    if (id === selectedId || recent.length < 2) continue;
    context.globalAlpha = 0.45;
    context.strokeStyle = ownerId === userId ? palette.own : palette.shared;
    context.beginPath();
    for (const stretch of stretchesOf(recent.slice(-TRAIL_FIXES)))
      tracePath(
        brush,
        stretch.map(({ point }) => point),
      );
    context.stroke();
  }
  context.globalAlpha = 1;
}

function paintTrack(brush: Brush, track: readonly Fix[]): void {
  const { context, palette } = brush;
  context.beginPath();
  for (const stretch of stretchesOf(track))
    tracePath(
      brush,
      stretch.map(({ point }) => point),
    );
  context.strokeStyle = palette.outline;
  context.lineWidth = 7;
  context.stroke();
  context.strokeStyle = palette.track;
  context.lineWidth = 4;
  context.stroke();
}

function paintVehicles(brush: Brush, scene: MapScene): boolean {
  const { context, view, palette, sprites } = brush;
  const wallMs = Date.now();
  const hasNames = scene.vehicles.length <= MAX_NAMES;
  let moves = false;
  let selected: Vehicle | undefined;
  for (const vehicle of scene.vehicles) {
    if (!vehicle.last) continue;
    const point = vehicle.pointAt(scene.nowMs);
    moves ||= vehicle.isGliding;
    if (vehicle.id === scene.selectedId) {
      selected = vehicle;
      continue;
    }
    const at = { x: view.screenX(point.x), y: view.screenY(point.y) };
    if (!isVisible(view, at)) continue;
    sprites.draw(context, at, colourOf(vehicle, scene, palette, wallMs), vehicle.last.bearing);
    if (hasNames) paintText(brush, vehicle.name, at, 28, 500);
  }
  if (selected) paintSelected(brush, scene, selected, wallMs);
  return moves;
}

function paintSelected(brush: Brush, scene: MapScene, vehicle: Vehicle, wallMs: number): void {
  const { context, view, palette, sprites } = brush;
  const at = view.toScreen(vehicle.pointAt(scene.nowMs));
  const colour = colourOf(vehicle, scene, palette, wallMs);
  context.beginPath();
  context.arc(at.x, at.y, 22, 0, 2 * Math.PI);
  context.fillStyle = palette.outline;
  context.globalAlpha = 0.85;
  context.fill();
  context.globalAlpha = 1;
  context.strokeStyle = colour;
  context.lineWidth = 3;
  context.stroke();
  sprites.draw(context, at, colour, vehicle.last?.bearing ?? null);
  paintText(brush, vehicle.name, at, 38, 700);
}

function colourOf(vehicle: Vehicle, { userId }: MapScene, palette: MapPalette, wallMs: number): string {
  if (vehicle.isStale(wallMs)) return palette.stale;
  return vehicle.ownerId === userId ? palette.own : palette.shared;
}

function tracePath({ context, view }: Brush, points: readonly MapPoint[]): void {
  points.forEach(({ x, y }, index) => {
    if (index === 0) context.moveTo(view.screenX(x), view.screenY(y));
    else context.lineTo(view.screenX(x), view.screenY(y));
  });
}

function paintText(
  { context, palette }: Brush,
  text: string,
  { x, y }: { readonly x: number; readonly y: number },
  below: number,
  weight: number,
): void {
  context.font = `${weight} 12px ${palette.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 3;
  context.strokeStyle = palette.textHalo;
  context.strokeText(text, x, y + below);
  context.fillStyle = palette.text;
  context.fillText(text, x, y + below);
}

function isVisible(view: MapView, { x, y }: { readonly x: number; readonly y: number }): boolean {
  return x > -MARGIN_PX && y > -MARGIN_PX && x < view.width + MARGIN_PX && y < view.height + MARGIN_PX;
}
