import type { BusMarker } from "./bus-marker.ts";
import { svg } from "./svg.ts";

interface Row {
  readonly button: HTMLButtonElement;
  readonly heading: SVGGElement;
  readonly arrow: SVGPathElement;
  readonly stop: SVGCircleElement;
  readonly where: HTMLElement;
  readonly speed: HTMLElement;
  readonly seen: HTMLElement;
}

const POINTS = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"];

/** The list beside the map: a row a bus, in the order of their numbers. */
export class BusList {
  readonly #list: HTMLElement;
  readonly #rows = new Map<string, Row>();
  readonly #onSelect: (bus: string) => void;

  constructor(list: HTMLElement, onSelect: (bus: string) => void) {
    this.#list = list;
    this.#onSelect = onSelect;
  }

  draw(markers: ReadonlyMap<string, BusMarker>, selected: string | undefined, nowMs: number): void {
    for (const marker of markers.values()) {
      const row = this.#rows.get(marker.bus) ?? this.#add(marker);
      row.button.setAttribute("aria-pressed", String(marker.bus === selected));
      fill(row, marker, nowMs);
    }
  }

  #add(marker: BusMarker): Row {
    const arrow = svg("path", { d: "M0 -9 L6.5 7 L0 3.5 L-6.5 7 Z" });
    const stop = svg("circle", { r: 4.5 });
    const heading = svg("g", {}, [arrow, stop]);
    const icon = svg("svg", { class: "heading", viewBox: "-17 -17 34 34", "aria-hidden": "true" }, [heading]);
    const [where, speed, seen] = [element("span", "where"), element("span"), element("span", "seen")];
    const name = element("span");
    const number = element("b");
    number.textContent = marker.bus;
    name.append(number, where);
    const figures = element("span", "speed");
    figures.append(speed, seen);
    const button = document.createElement("button");
    button.type = "button";
    button.dataset["tone"] = String(marker.tone);
    button.dataset["bus"] = marker.bus;
    button.append(icon, name, figures);
    button.addEventListener("click", () => this.#onSelect(marker.bus));
    const row: Row = { button, heading, arrow, stop, where, speed, seen };
    this.#rows.set(marker.bus, row);
    this.#insert(button, marker.bus);
    return row;
  }

  #insert(button: HTMLButtonElement, bus: string): void {
    const item = document.createElement("li");
    item.append(button);
    const after = [...this.#list.children].find(
      (other) => (other.querySelector("b")?.textContent ?? "") > bus,
    );
    this.#list.insertBefore(item, after ?? null);
  }
}

function fill(row: Row, marker: BusMarker, nowMs: number): void {
  const { report } = marker;
  const isResting = marker.isResting(nowMs);
  const isStill = isResting || (report.speed ?? 0) < 2;
  row.arrow.style.display = isStill ? "none" : "";
  row.stop.style.display = isStill ? "" : "none";
  row.heading.setAttribute("transform", `rotate(${report.bearing ?? 0})`);
  row.where.textContent = isStill
    ? `to ${report.destination}`
    : `${headingWords(report.bearing)} to ${report.destination}`;
  row.speed.textContent = speedWords(isResting, report.speed);
  row.seen.textContent = seenWords(marker, nowMs);
}

function speedWords(isResting: boolean, speed: number | null): string {
  if (isResting) return "resting";
  if (speed === null) return "–";
  return speed < 2 ? "stopped" : `${Math.round(speed)} km/h`;
}

function headingWords(bearing: number | null): string {
  return bearing === null ? "" : (POINTS[Math.round(bearing / 45) % 8] ?? "");
}

function seenWords({ seenAtMs, report }: BusMarker, nowMs: number): string {
  if (seenAtMs === -Infinity) return `since ${report.at.slice(11, 16)}`;
  const seconds = Math.floor((nowMs - seenAtMs) / 1000);
  if (seconds < 1) return "just now";
  return seconds < 60 ? `${seconds} s ago` : `${Math.floor(seconds / 60)} min ago`;
}

function element(name: "span" | "b", className = ""): HTMLElement {
  const made = document.createElement(name);
  if (className) made.className = className;
  return made;
}
