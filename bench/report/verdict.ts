import type { Outcome, ScenarioResult } from "../run.ts";
import type { Measurement, Scenario } from "../scenarios/scenario.ts";

/** The middle one, or the mean of the two in the middle; undefined of nothing. */
function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}

/** The median of one figure over the rounds of a contender. */
export function medianOf(
  outcome: Outcome | undefined,
  pick: (run: Measurement) => number | undefined,
): number | undefined {
  return median(outcome?.runs.flatMap((run) => pick(run) ?? []) ?? []);
}

export function valueOf(outcome: Outcome | undefined): number | undefined {
  return medianOf(outcome, (run) => run.value);
}

export function lostOf(outcome: Outcome): number {
  return outcome.runs.reduce((sum, run) => sum + run.lost, 0);
}

export function baselineOf({ scenario, outcomes }: ScenarioResult): Outcome | undefined {
  const name = scenario.baseline ?? "mosquitto";
  return outcomes.find((outcome) => outcome.name === name);
}

/** How many times as good as the baseline: above 1 is better, whether more or less is. */
export function factorOf(
  { better }: Scenario,
  value: number | undefined,
  baseline: number | undefined,
): number | undefined {
  if (value === undefined || baseline === undefined) return undefined;
  const factor = better === "more" ? value / baseline : baseline / value;
  return Number.isFinite(factor) && factor > 0 ? factor : undefined;
}

/** How many times as much CPU the baseline takes for the same; above 1 is better. */
export function cpuFactorOf(outcome: Outcome | undefined, baseline: Outcome | undefined): number | undefined {
  const own = medianOf(outcome, (run) => run.serverMicros);
  const other = medianOf(baseline, (run) => run.serverMicros);
  return own === undefined || other === undefined || own === 0 ? undefined : other / own;
}

/** Whether the first contender has reached the target; undefined where it cannot be said. */
export function isMet(result: ScenarioResult): boolean | undefined {
  const { target } = result.scenario;
  const value = valueOf(result.outcomes[0]);
  const baseline = valueOf(baselineOf(result));
  if (value === undefined) return undefined;
  if (target.kind === "value") return value <= target.atMost;
  if (target.kind === "floor") return value >= target.atLeast;
  if (baseline === undefined) return undefined;
  if (target.kind === "excess") return value <= baseline + target.atMost;
  return value / baseline >= target.atLeast;
}
