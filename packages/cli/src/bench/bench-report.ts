import type { Colors } from "picocolors/types.js";
import type { BenchRun } from "./bench-run.ts";
import type { LatencyHistogram, LatencyRange } from "./latency-histogram.ts";

const BAR_WIDTH = 40;
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** How a run has ended, in numbers that a program can read. */
export interface BenchResult {
  readonly sent: number;
  readonly expected: number;
  readonly delivered: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly refused: number;
  readonly connectionsLost: number;
  /** Of the time that was measured. */
  readonly seconds: number;
  readonly deliveredPerSecond: number;
  readonly latencyMs: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  };
}

/** @param measured what was delivered while it was measured, and for how long */
export function resultOf(
  run: BenchRun,
  measured: { readonly delivered: number; readonly seconds: number },
): BenchResult {
  const ms = (part: number): number => run.latencies.quantile(part) / 1_000;
  return {
    sent: run.sent,
    expected: run.expected,
    delivered: run.delivered,
    lost: run.missing,
    duplicates: run.duplicates,
    refused: run.refused,
    connectionsLost: run.connectionsLost.length,
    seconds: Math.round(measured.seconds * 1_000) / 1_000,
    deliveredPerSecond: Math.round(measured.delivered / measured.seconds),
    latencyMs: { p50: ms(0.5), p90: ms(0.9), p99: ms(0.99), p999: ms(0.999), max: ms(1) },
  };
}

/** "3 s of 10: 10,012 deliveries/s, p50 0.21 ms, p99 1.4 ms" */
export function progressText(
  run: BenchRun,
  { elapsedS, ofS, perSecond }: { elapsedS: number; ofS: number; perSecond: number },
): string {
  const { latencies } = run;
  const parts = [
    `${whole(perSecond)} deliveries/s`,
    ...(latencies.count > 0
      ? [`p50 ${duration(latencies.quantile(0.5))}`, `p99 ${duration(latencies.quantile(0.99))}`]
      : []),
    ...(run.refused > 0 ? [`${whole(run.refused)} refused`] : []),
    ...(run.connectionsLost.length > 0 ? [`${run.connectionsLost.length} connections lost`] : []),
  ];
  return `${Math.round(elapsedS)} s of ${ofS}: ${parts.join(", ")}`;
}

/** What a person reads at the end. */
export function reportText(result: BenchResult, latencies: LatencyHistogram, colors: Colors): string {
  const { latencyMs } = result;
  const ms = (value: number): string => duration(value * 1_000);
  const isLost = result.lost > 0 || result.refused > 0 || result.connectionsLost > 0;
  const losses = [
    `${whole(result.lost)} of ${whole(result.expected)}`,
    ...(result.refused > 0 ? [`${whole(result.refused)} refused`] : []),
    ...(result.connectionsLost > 0 ? [`${result.connectionsLost} connections lost`] : []),
  ].join(", ");
  const rows = [
    ["delivered", `${whole(result.deliveredPerSecond)}/s`],
    ["lost", isLost ? colors.red(losses) : losses],
    ...(result.duplicates > 0 ? [["duplicates", whole(result.duplicates)]] : []),
    [
      "latency",
      `p50 ${ms(latencyMs.p50)}, p90 ${ms(latencyMs.p90)}, p99 ${ms(latencyMs.p99)}, p99.9 ${ms(latencyMs.p999)}, longest ${ms(latencyMs.max)}`,
    ],
  ];
  const lines = rows.map(([name = "", value = ""]) => `${colors.bold(name.padEnd(11))}${value}`);
  return [...lines, "", ...histogramLines(latencies.ranges(), latencies.count, colors), ""].join("\n");
}

function histogramLines(ranges: readonly LatencyRange[], total: number, colors: Colors): string[] {
  const most = Math.max(...ranges.map(({ count }) => count));
  const counts = ranges.map(({ count }) => whole(count));
  const countWidth = Math.max(...counts.map((count) => count.length));
  return ranges.map(({ toMicros, count }, index) => {
    const share = `${((100 * count) / total).toFixed(1)} %`.padStart(8);
    const label = `up to ${limit(toMicros)}`.padEnd(14);
    return `${label}${share} ${(counts[index] ?? "").padStart(countWidth)} ${colors.cyan(bar(count / most))}`.trimEnd();
  });
}

/** To an eighth of a character; what is there at all is seen. */
function bar(part: number): string {
  const eighths = Math.max(part > 0 ? 1 : 0, Math.round(part * BAR_WIDTH * 8));
  return "█".repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? "");
}

function duration(micros: number): string {
  if (micros < 1_000) return `${Math.round(micros)} µs`;
  if (micros < 100_000) return `${(micros / 1_000).toFixed(micros < 10_000 ? 2 : 1)} ms`;
  return micros < 1_000_000 ? `${Math.round(micros / 1_000)} ms` : `${(micros / 1e6).toFixed(2)} s`;
}

function limit(micros: number): string {
  if (micros < 1_000) return `${micros} µs`;
  return micros < 1_000_000 ? `${micros / 1_000} ms` : `${micros / 1e6} s`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en");
}
