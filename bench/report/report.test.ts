import { describe, expect, test } from "vitest";
import type { Outcome, ScenarioResult } from "../run.ts";
import type { Scenario } from "../scenarios/scenario.ts";
import { benchmarksChart } from "./chart.ts";
import { benchmarksPage, summaryTable } from "./markdown.ts";
import { isMet, lostOf, valueOf } from "./verdict.ts";

const outcome = (name: string, values: readonly number[], lost = 0): Outcome => ({
  name,
  runs: values.map((value) => ({ value, lost, serverMicros: 1e6 / value, notes: lost > 0 ? ["seen"] : [] })),
});

function result(overrides: Partial<Scenario>, ...outcomes: Outcome[]): ScenarioResult {
  const scenario: Scenario = {
    id: "pairs",
    title: "pairs",
    label: "pairs <1>",
    unit: "deliveries/s",
    better: "more",
    target: { kind: "ratio", atLeast: 1.1 },
    command: "mqttload pubsub",
    contenders: () => [],
    ...overrides,
  };
  return { scenario, outcomes };
}

const setups = [{ name: "Weir", setup: "as it is" }];

describe("a scenario's result", () => {
  test("is the median of the rounds", () => {
    expect(valueOf(outcome("Weir", [3, 100, 1]))).toBe(3);
    expect(valueOf(outcome("Weir", [3, 1]))).toBe(2);
    expect(valueOf(outcome("Weir", []))).toBeUndefined();
  });

  test.each([
    [{ target: { kind: "ratio", atLeast: 1.1 } }, 110, 100, true],
    [{ target: { kind: "ratio", atLeast: 1.1 } }, 109, 100, false],
    [{ target: { kind: "excess", atMost: 15 }, better: "less" }, 115, 100, true],
    [{ target: { kind: "excess", atMost: 15 }, better: "less" }, 116, 100, false],
    [{ target: { kind: "value", atMost: 5 }, better: "less" }, 5, 1, true],
    [{ target: { kind: "value", atMost: 5 }, better: "less" }, 6, 100, false],
  ] as const)("%j is held against Weir's %d and mosquitto's %d: met is %s", (scenario, weir, peer, met) => {
    expect(isMet(result(scenario, outcome("Weir", [weir]), outcome("mosquitto", [peer])))).toBe(met);
  });

  test("that is missing is neither met nor missed", () => {
    expect(isMet(result({}, outcome("Weir", []), outcome("mosquitto", [1])))).toBeUndefined();
    expect(isMet(result({}, outcome("Weir", [1])))).toBeUndefined();
  });

  test("is compared with the baseline that its scenario names", () => {
    const beside = result(
      { baseline: "Weir alone", target: { kind: "ratio", atLeast: 0.95 } },
      outcome("Weir", [96]),
      outcome("Weir alone", [100]),
      outcome("mosquitto", [1_000]),
    );
    expect(isMet(beside)).toBe(true);
  });
});

describe("the report", () => {
  const results = [
    result({}, outcome("Weir", [2_000, 2_000], 3), outcome("mosquitto", [1_000]), outcome("aedes", [500])),
    result({ better: "less", unit: "µs" }, { ...outcome("Weir", []), failure: "it | fell\nover" }),
  ];

  test("has a row with values, ratios, target and verdict for each scenario", () => {
    const [, , first, second] = summaryTable({ results, setups });
    expect(first).toBe(
      "| pairs | 2,000 | 1,000 | 500 | deliveries/s | 2.00x | 2.00x | 1.1x mosquitto | yes |",
    );
    expect(second).toBe("| pairs | – | – | – | µs | – | – | 1.1x mosquitto | – |");
  });

  test("shows what was lost in any round, and why a broker was not measured", () => {
    const [cpu, kernel, node, mosquitto, aedes] = ["EPYC", "6.1", "24", "2.0.11", "1.2.0"] as const;
    const versions = { cpu, kernel, node, mosquitto, aedes };
    const machine = { ...versions, date: "2026-11-20", cores: 2, memoryGb: 8, loadAverage: [0, 0, 0] };
    const page = benchmarksPage({ machine, options: { rounds: 2, secs: 1 }, setups, results });
    expect(lostOf(results[0]!.outcomes[0]!)).toBe(6);
    expect(page).toContain("| 6 | seen |");
    expect(page).toContain("failed: it fell over");
  });

  test("has a plot of what can be compared, with labels that are text", () => {
    const svg = benchmarksChart(results);
    expect(svg.match(/class="weir" x="[\d.]+" y="[\d.]+" width="\d/g)).toHaveLength(2); // the legend's and the row's
    expect(svg).toContain(">pairs &lt;1></text>");
    expect(svg).toContain(">2.00x</text>");
    expect(svg).not.toContain("NaN");
  });
});
