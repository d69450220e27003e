import { BusMarker } from "./bus-marker.ts";
import type { BusReport } from "./bus-report.ts";
import { Projection, type GeoPoint, type ScreenPoint, type View } from "./projection.ts";
import { svg } from "./svg.ts";

/** The ground that never changes: where the buses of the recording went. */
export interface Roads {
  readonly lines: readonly (readonly (readonly [lat: number, lon: number])[])[];
  readonly places: readonly { readonly name: string; readonly lat: number; readonly lon: number }[];
}

const TONES = 4;

const NARROW_PX = 520;
const BUTTONS_PX = 44;
const GRID_M = 1_000;
const MAX_SCALE = 2;
const SCALES_M = [50, 100, 200, 500, 1_000, 2_000, 5_000];

/** The map: roads, places, buses; drag to move, wheel or pinch to zoom. */
export class RouteMap {
  readonly markers: Map<string, BusMarker> = new Map();
  onSelect: (bus: string) => void = () => undefined;
  readonly #root: SVGSVGElement;
  readonly #projection: Projection;
  readonly #roads = svg("g", { class: "roads" });
  readonly #grid = svg("g", { class: "grid" });
  readonly #places = svg("g");
  readonly #trails = svg("g");
  readonly #buses = svg("g");
  readonly #extent: { min: ScreenPoint; max: ScreenPoint };
  readonly #placePoints: { element: SVGGElement; at: ScreenPoint }[] = [];
  #size = { width: 1, height: 1 };
  #view: View = { x: 0, y: 0, scale: 1 };
  #isFitted = true;
  #followed: string | undefined;

  constructor(root: SVGSVGElement, roads: Roads) {
    this.#root = root;
    const points = roads.lines.flat().map(([lat, lon]): GeoPoint => ({ lat, lon }));
    this.#projection = new Projection(points[0] ?? { lat: 0, lon: 0 });
    const ground = points.map((point) => this.#projection.toGround(point));
    this.#extent = {
      min: { x: Math.min(...ground.map(({ x }) => x)), y: Math.min(...ground.map(({ y }) => y)) },
      max: { x: Math.max(...ground.map(({ x }) => x)), y: Math.max(...ground.map(({ y }) => y)) },
    };
    this.#drawGround(roads);
    root.append(this.#grid, this.#roads, this.#trails, this.#places, this.#buses);
    new ResizeObserver(() => this.#resize()).observe(root);
    this.#resize();
  }

  get followed(): string | undefined {
    return this.#followed;
  }

  show(report: BusReport, nowMs: number, isRetained: boolean): void {
    const at = this.#projection.toGround(report);
    const known = this.markers.get(report.bus);
    if (known) return known.move(report, at, nowMs);
    const marker = new BusMarker(report, at, this.markers.size % TONES, isRetained ? -Infinity : nowMs);
    marker.element.addEventListener("click", () => this.onSelect(marker.bus));
    this.markers.set(report.bus, marker);
    this.#trails.append(marker.trail);
    this.#buses.append(marker.element);
  }

  /** Keeps a bus in the middle, or none. */
  follow(bus: string | undefined): void {
    this.#followed = bus;
    for (const marker of this.markers.values())
      marker.element.classList.toggle("selected", marker.bus === bus);
    const marker = bus === undefined ? undefined : this.markers.get(bus);
    if (marker) {
      this.#buses.append(marker.element);
      this.#isFitted = false;
      this.#view = { ...this.#view, scale: Math.max(this.#view.scale, this.#fitScale() * 2.4) };
    }
  }

  draw(nowMs: number): void {
    const followed = this.#followed === undefined ? undefined : this.markers.get(this.#followed);
    if (followed) this.#glideTo(followed.place(nowMs));
    this.#applyView();
    for (const marker of this.markers.values()) marker.draw(nowMs, this.#toScreen);
  }

  fit(): void {
    this.follow(undefined);
    this.#isFitted = true;
    const { min, max } = this.#extent;
    const scale = this.#fitScale();
    // On a narrow screen the buttons would hide the route's end.
    const aside = this.#size.width < NARROW_PX ? BUTTONS_PX / 2 / scale : 0;
    this.#view = { x: (min.x + max.x) / 2 + aside, y: (min.y + max.y) / 2, scale };
  }

  /** Zooms around a point of the screen; its middle where none is given. */
  zoom(factor: number, at: ScreenPoint = { x: this.#size.width / 2, y: this.#size.height / 2 }): void {
    const scale = Math.min(MAX_SCALE, Math.max(this.#fitScale() * 0.6, this.#view.scale * factor));
    const dx = at.x - this.#size.width / 2;
    const dy = at.y - this.#size.height / 2;
    this.#isFitted = false;
    this.#view = {
      x: this.#view.x + dx / this.#view.scale - dx / scale,
      y: this.#view.y + dy / this.#view.scale - dy / scale,
      scale,
    };
  }

  pan(dx: number, dy: number): void {
    this.follow(undefined);
    this.#isFitted = false;
    this.#view = {
      ...this.#view,
      x: this.#view.x - dx / this.#view.scale,
      y: this.#view.y - dy / this.#view.scale,
    };
  }

  /** A round distance and how many pixels long it is, for the scale. */
  scaleBar(): { readonly metres: number; readonly pixels: number } {
    const metres = SCALES_M.findLast((length) => length * this.#view.scale <= 130) ?? 50;
    return { metres, pixels: metres * this.#view.scale };
  }

  #drawGround({ lines, places }: Roads): void {
    const drawn = lines.map((line) =>
      line
        .map(([lat, lon]) => this.#projection.toGround({ lat, lon }))
        .map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`)
        .join(" "),
    );
    for (const kind of ["edge", "fill"])
      this.#roads.append(...drawn.map((points) => svg("polyline", { class: kind, points })));
    for (const { name, lat, lon } of places) {
      const at = this.#projection.toGround({ lat, lon });
      // Names stand towards the middle, where there is room for them.
      const isEast = at.x > (this.#extent.min.x + this.#extent.max.x) / 2;
      const text = svg(
        "text",
        { x: isEast ? -13 : 28, y: isEast ? -8 : 17, "text-anchor": isEast ? "end" : "start" },
        [name],
      );
      const element = svg("g", { class: "place" }, [svg("circle", { r: 5.5 }), text]);
      this.#placePoints.push({ element, at });
      this.#places.append(element);
    }
  }

  #resize(): void {
    const { width, height } = this.#root.getBoundingClientRect();
    this.#size = { width: Math.max(1, width), height: Math.max(1, height) };
    if (this.#isFitted) this.fit();
  }

  #fitScale(): number {
    const { min, max } = this.#extent;
    const margin = Math.min(110, this.#size.width * 0.14);
    const across = (this.#size.width - 2 * margin) / Math.max(1, max.x - min.x);
    const down =
      (this.#size.height - 2 * Math.min(80, this.#size.height * 0.15)) / Math.max(1, max.y - min.y);
    return Math.max(0.005, Math.min(across, down));
  }

  readonly #toScreen = ({ x, y }: ScreenPoint): ScreenPoint => ({
    x: (x - this.#view.x) * this.#view.scale + this.#size.width / 2,
    y: (y - this.#view.y) * this.#view.scale + this.#size.height / 2,
  });

  #glideTo({ x, y }: ScreenPoint): void {
    this.#view = {
      ...this.#view,
      x: this.#view.x + (x - this.#view.x) * 0.08,
      y: this.#view.y + (y - this.#view.y) * 0.08,
    };
  }

  #applyView(): void {
    const { x, y, scale } = this.#view;
    const { width, height } = this.#size;
    this.#roads.setAttribute(
      "transform",
      `translate(${width / 2} ${height / 2}) scale(${scale}) translate(${-x} ${-y})`,
    );
    for (const { element, at } of this.#placePoints) {
      const point = this.#toScreen(at);
      element.setAttribute("transform", `translate(${point.x.toFixed(1)} ${point.y.toFixed(1)})`);
    }
    this.#drawGrid();
  }

  #drawGrid(): void {
    const step = GRID_M * this.#view.scale;
    const { width, height } = this.#size;
    const zero = this.#toScreen({ x: 0, y: 0 });
    const lines: SVGLineElement[] = [];
    for (let x = zero.x % step; x < width; x += step)
      lines.push(svg("line", { x1: x.toFixed(1), x2: x.toFixed(1), y1: 0, y2: height }));
    for (let y = zero.y % step; y < height; y += step)
      lines.push(svg("line", { x1: 0, x2: width, y1: y.toFixed(1), y2: y.toFixed(1) }));
    this.#grid.replaceChildren(...lines);
  }
}
