import { figure } from "./report/figures.ts";
import type { OnMeasured } from "./run.ts";
import type { Scenario } from "./scenarios/scenario.ts";

/** A line for each measurement, on stderr, with how long the rest will take. */
export class Progress {
  readonly #total: number;
  readonly #startedAtMs = Date.now();
  #done = 0;

  constructor(total: number) {
    this.#total = total;
  }

  /** For the measurements of one scenario. */
  of({ label, unit }: Scenario): OnMeasured {
    return ({ contender, round, measurement, failure }) => {
      this.#done++;
      const what = measurement === undefined ? `failed: ${failure}` : `${figure(measurement.value)} ${unit}`;
      const complaints = [
        ...(measurement && measurement.lost > 0 ? [`lost ${measurement.lost}`] : []),
        ...(measurement?.notes ?? []),
      ];
      const line = `[${this.#done}/${this.#total}] ${label}, round ${round}: ${contender} ${what}`;
      const tail = complaints.length > 0 ? ` (${complaints.join("; ")})` : "";
      process.stderr.write(`${line}${tail}${this.#left()}\n`);
    };
  }

  #left(): string {
    const left = this.#total - this.#done;
    if (left === 0) return "";
    const leftS = ((Date.now() - this.#startedAtMs) / this.#done / 1000) * left;
    return leftS < 90 ? ` — ${Math.ceil(leftS)} s left` : ` — ${Math.round(leftS / 60)} min left`;
  }
}
