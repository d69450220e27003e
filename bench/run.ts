import type { BrokerKind, RunningBroker } from "./brokers/broker.ts";
import type { Contender, Measurement, Scenario } from "./scenarios/scenario.ts";

export interface RunOptions {
  readonly rounds: number;
  /** Seconds that each measurement lasts, after its warm-up. */
  readonly secs: number;
}

/** All rounds of one contender. */
export interface Outcome {
  readonly name: string;
  readonly runs: readonly Measurement[];
  /** Why it was not measured, or not in every round. */
  readonly failure?: string;
}

export interface ScenarioResult {
  readonly scenario: Scenario;
  readonly outcomes: readonly Outcome[];
}

/** Called after each measurement. */
export type OnMeasured = (what: {
  readonly contender: string;
  readonly round: number;
  readonly measurement?: Measurement;
  readonly failure?: string;
}) => void;

/** How many measurements a scenario takes. */
export function countMeasurements(
  scenario: Scenario,
  brokers: readonly BrokerKind[],
  rounds: number,
): number {
  return scenario.contenders(brokers).length * (scenario.isOnce ? 1 : rounds);
}

/**
 * Measures a scenario: each contender gets a fresh broker that lives through all rounds, and the rounds go through the
 * contenders in turn, so that what the machine does besides hits all alike.
 */
export async function runScenario(
  scenario: Scenario,
  brokers: readonly BrokerKind[],
  options: RunOptions,
  onMeasured: OnMeasured,
): Promise<ScenarioResult> {
  const seats = scenario.contenders(brokers).map((contender) => new Seat(contender));
  const rounds = scenario.isOnce ? 1 : options.rounds;
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const seat of seats) onMeasured({ contender: seat.name, round, ...(await seat.measure(options)) });
    }
  } finally {
    await Promise.all(seats.map((seat) => seat.stop()));
  }
  return { scenario, outcomes: seats.map((seat) => seat.outcome) };
}

/** A contender with its broker. What fails once is not tried again. */
class Seat {
  readonly #contender: Contender;
  readonly #runs: Measurement[] = [];
  #broker: RunningBroker | undefined;
  #failure: string | undefined;

  constructor(contender: Contender) {
    this.#contender = contender;
  }

  get name(): string {
    return this.#contender.name;
  }

  get outcome(): Outcome {
    const failure = this.#failure;
    return { name: this.name, runs: this.#runs, ...(failure !== undefined && { failure }) };
  }

  async measure(options: RunOptions): Promise<{ measurement?: Measurement; failure?: string }> {
    if (this.#failure !== undefined) return { failure: this.#failure };
    try {
      this.#broker ??= await this.#contender.broker.start(this.#contender.grants);
      const measurement = await this.#contender.measure(this.#broker, options);
      this.#runs.push(measurement);
      return { measurement };
    } catch (error) {
      const ending = this.#broker?.ending?.();
      this.#failure = ending ?? (error instanceof Error ? error.message : String(error));
      return { failure: this.#failure };
    }
  }

  async stop(): Promise<void> {
    await this.#broker?.stop();
  }
}
