import type { BusReport } from "./bus-report.ts";
import { distanceM, type ScreenPoint } from "./projection.ts";
import { svg } from "./svg.ts";

const TRAIL_POINTS = 24;
/** Beyond this it did not drive there: another trip has begun. */
const JUMP_M = 1_500;
const MIN_GLIDE_MS = 400;
const MAX_GLIDE_MS = 4_000;
/** Without news for so long a bus counts as resting. */
const RESTING_AFTER_MS = 12_000;

/** A bus on the map: glides from report to report and draws where it has been. */
export class BusMarker {
  readonly bus: string;
  readonly tone: number;
  readonly element: SVGGElement;
  readonly trail: SVGPolylineElement;
  report: BusReport;
  /** -Infinity: nothing came since we look, what is known was retained. */
  seenAtMs: number;
  readonly #puck: SVGGElement;
  #path: ScreenPoint[];
  #from: ScreenPoint;
  #to: ScreenPoint;
  #startedAtMs: number;
  #glideMs = 0;
  #angle: number;
  #wantedAngle: number;

  constructor(report: BusReport, at: ScreenPoint, tone: number, seenAtMs: number) {
    this.bus = report.bus;
    this.tone = tone;
    this.report = report;
    this.seenAtMs = seenAtMs;
    this.#path = [at];
    this.#from = at;
    this.#to = at;
    this.#startedAtMs = 0;
    this.#angle = report.bearing ?? 0;
    this.#wantedAngle = this.#angle;
    this.#puck = svg("g", {}, [
      svg("path", { class: "puck", d: "M0 -19 L7.5 -9.5 A12 12 0 1 1 -7.5 -9.5 Z" }),
      svg("path", { class: "mark", d: "M0 -8.5 L5.5 5.5 L0 2.5 L-5.5 5.5 Z" }),
    ]);
    this.element = svg("g", { class: "bus", "data-tone": tone, "data-bus": report.bus }, [
      svg("circle", { class: "halo", r: 24 }),
      this.#puck,
      svg("g", { class: "plate", transform: "translate(0 31)" }, [
        svg("rect", { x: -21, y: -9.5, width: 42, height: 19, rx: 6 }),
        svg("text", { y: 4.2 }, [report.bus]),
      ]),
    ]);
    this.trail = svg("polyline", { class: "trail", "data-tone": tone });
  }

  /** Takes in a report; `at` is its place on the ground. */
  move(report: BusReport, at: ScreenPoint, nowMs: number): void {
    const isJump = distanceM(this.#to, at) > JUMP_M;
    this.#from = isJump ? at : this.place(nowMs);
    this.#to = at;
    this.#glideMs = isJump ? 0 : Math.min(MAX_GLIDE_MS, Math.max(MIN_GLIDE_MS, nowMs - this.seenAtMs));
    this.#startedAtMs = nowMs;
    this.#path = isJump ? [at] : [...this.#path, at].slice(-TRAIL_POINTS);
    if (report.bearing !== null) this.#wantedAngle = report.bearing;
    this.report = report;
    this.seenAtMs = nowMs;
  }

  isResting(nowMs: number): boolean {
    return nowMs - this.seenAtMs > RESTING_AFTER_MS;
  }

  /** Where it is on the ground, on its way between two reports. */
  place(nowMs: number): ScreenPoint {
    const part = this.#glideMs === 0 ? 1 : Math.min(1, (nowMs - this.#startedAtMs) / this.#glideMs);
    return {
      x: this.#from.x + (this.#to.x - this.#from.x) * part,
      y: this.#from.y + (this.#to.y - this.#from.y) * part,
    };
  }

  draw(nowMs: number, toScreen: (point: ScreenPoint) => ScreenPoint): void {
    const here = this.place(nowMs);
    const at = toScreen(here);
    this.element.setAttribute("transform", `translate(${at.x.toFixed(1)} ${at.y.toFixed(1)})`);
    this.element.classList.toggle("resting", this.isResting(nowMs));
    // The short way round, a part of it a frame.
    const turn = ((this.#wantedAngle - this.#angle + 540) % 360) - 180;
    this.#angle += turn * 0.12;
    this.#puck.setAttribute("transform", `rotate(${this.#angle.toFixed(1)})`);
    const trail = [...this.#path.slice(0, -1), here].map(toScreen);
    this.trail.setAttribute("points", trail.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "));
  }
}
