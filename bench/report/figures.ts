import type { Scenario } from "../scenarios/scenario.ts";

/** Three digits that count, thousands apart. */
export function figure(value: number | undefined): string {
  if (value === undefined) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function factorText(factor: number | undefined): string {
  return factor === undefined ? "–" : `${figure(factor)}x`;
}

/** A whole target in a few words. */
export function targetText({ target, unit, baseline = "mosquitto" }: Scenario): string {
  if (target.kind === "value") return `at most ${target.atMost} ${unit}`;
  if (target.kind === "floor") return `${target.atLeast.toLocaleString("en")} ${unit}`;
  if (target.kind === "excess") return `${baseline} + ${target.atMost} ${unit}`;
  return `${target.atLeast}x ${baseline}`;
}
