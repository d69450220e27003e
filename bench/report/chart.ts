import type { ScenarioResult } from "../run.ts";
import { factorText } from "./figures.ts";
import { baselineOf, factorOf, valueOf } from "./verdict.ts";

const LABEL_WIDTH = 290;
const PLOT_WIDTH = 500;
const VALUE_WIDTH = 70;
const TOP = 64;
const ROW = 40;
const BAR = 12;
const WIDTH = LABEL_WIDTH + PLOT_WIDTH + VALUE_WIDTH;
const DECADE_MARKS = [1, 2, 5];

/** In GitHub's colours, and readable on light and dark pages. */
const STYLE = `
  text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .title { font-size: 15px; font-weight: 600; }
  .quiet { fill: #59636e; font-size: 12px; }
  .grid { stroke: #d1d9e0; }
  .one { stroke: #59636e; stroke-width: 1.5; }
  .weir { fill: #0969da; }
  .aedes { fill: #9a6700; }
  .target { stroke: #cf222e; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .quiet { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .one { stroke: #9198a1; }
    .weir { fill: #4493f8; }
    .aedes { fill: #d29922; }
    .target { stroke: #f85149; }
  }
`;

interface Row {
  readonly label: string;
  readonly weir: number;
  readonly aedes: number | undefined;
  readonly target: number | undefined;
}

/** Horizontal bars on a logarithmic scale: how many times as good as the baseline, from the line at 1x. */
export function benchmarksChart(results: readonly ScenarioResult[]): string {
  const rows = results.flatMap((result) => rowOf(result) ?? []);
  const scale = scaleFor(rows.flatMap(({ weir, aedes, target }) => [weir, aedes ?? 1, target ?? 1]));
  const bottom = TOP + rows.length * ROW;
  const body = [
    `<text class="title" x="16" y="24">Weir and aedes, times as good as mosquitto</text>`,
    ...legend(),
    ...scale.marks.flatMap((mark) => gridLine(mark, scale.x(mark), bottom)),
    ...rows.flatMap((row, index) => barsOf(row, TOP + index * ROW, scale.x)),
  ];
  const height = bottom + 32;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>Weir and aedes, times as good as mosquitto, per scenario</title>`,
    `<style>${STYLE}</style>`,
    ...body,
    "</svg>",
    "",
  ].join("\n");
}

function rowOf(result: ScenarioResult): Row | undefined {
  const { scenario, outcomes } = result;
  const baseline = valueOf(baselineOf(result));
  const weir = factorOf(scenario, valueOf(outcomes[0]), baseline);
  if (weir === undefined) return undefined;
  const aedes = outcomes.find(({ name }) => name === "aedes");
  return {
    label: scenario.label,
    weir,
    aedes: factorOf(scenario, valueOf(aedes), baseline),
    target: targetFactor(result, baseline),
  };
}

function targetFactor({ scenario }: ScenarioResult, baseline: number | undefined): number | undefined {
  const { target } = scenario;
  if (target.kind === "ratio") return target.atLeast;
  if (baseline === undefined) return undefined;
  if (target.kind === "floor") return factorOf(scenario, target.atLeast, baseline);
  return factorOf(scenario, target.kind === "excess" ? baseline + target.atMost : target.atMost, baseline);
}

function scaleFor(factors: readonly number[]): { marks: number[]; x: (factor: number) => number } {
  const marks = allMarks();
  const least = Math.min(0.5, ...factors);
  const most = Math.max(2, ...factors);
  const from = marks.findLast((mark) => mark <= least) ?? least;
  const to = marks.find((mark) => mark >= most) ?? most;
  const span = Math.log(to / from);
  const x = (factor: number): number => LABEL_WIDTH + (Math.log(factor / from) / span) * PLOT_WIDTH;
  return { marks: marks.filter((mark) => mark >= from && mark <= to), x };
}

function allMarks(): number[] {
  const marks: number[] = [];
  for (let exponent = -4; exponent <= 4; exponent++) {
    for (const mark of DECADE_MARKS) marks.push(Number(`${mark}e${exponent}`));
  }
  return marks;
}

function gridLine(mark: number, x: number, bottom: number): string[] {
  const kind = mark === 1 ? "one" : "grid";
  return [
    `<line class="${kind}" x1="${at(x)}" x2="${at(x)}" y1="${TOP - 4}" y2="${bottom}"/>`,
    `<text class="quiet" x="${at(x)}" y="${bottom + 18}" text-anchor="middle">${mark}x</text>`,
  ];
}

function barsOf({ label, weir, aedes, target }: Row, top: number, x: (factor: number) => number): string[] {
  const first = top + (aedes === undefined ? (ROW - BAR) / 2 : 6);
  const parts = [
    `<text x="${LABEL_WIDTH - 12}" y="${top + ROW / 2 + 4}" text-anchor="end">${escaped(label)}</text>`,
    bar("weir", first, x(1), x(weir)),
    `<text x="${WIDTH - 16}" y="${top + ROW / 2 + 4}" text-anchor="end">${factorText(weir)}</text>`,
  ];
  if (aedes !== undefined) parts.push(bar("aedes", first + BAR + 2, x(1), x(aedes)));
  if (target !== undefined)
    parts.push(
      `<line class="target" x1="${at(x(target))}" x2="${at(x(target))}" y1="${first - 3}" y2="${first + BAR + 3}"/>`,
    );
  return parts;
}

function bar(kind: string, y: number, from: number, to: number): string {
  const width = Math.max(1, Math.abs(to - from));
  return `<rect class="${kind}" x="${at(Math.min(from, to))}" y="${at(y)}" width="${at(width)}" height="${BAR}" rx="2"/>`;
}

function legend(): string[] {
  const entry = (kind: string, x: number, text: string): string[] => [
    `<rect class="${kind}" x="${x}" y="37" width="${BAR}" height="${BAR}" rx="2"/>`,
    `<text class="quiet" x="${x + 18}" y="47">${text}</text>`,
  ];
  return [
    ...entry("weir", 16, "Weir"),
    ...entry("aedes", 84, "aedes"),
    `<line class="target" x1="158" x2="158" y1="36" y2="50"/>`,
    `<text class="quiet" x="168" y="47">target</text>`,
    `<text class="quiet" x="${WIDTH - 16}" y="47" text-anchor="end">logarithmic; right of 1x is better than mosquitto</text>`,
  ];
}

function at(coordinate: number): string {
  return String(Math.round(coordinate * 10) / 10);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
