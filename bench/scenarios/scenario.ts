import type { BrokerKind, Grant, RunningBroker } from "../brokers/broker.ts";

/** What to compare the first contender with, and what it should come to. */
export type Target =
  | { readonly kind: "ratio"; readonly atLeast: number }
  /** At most so much above the baseline, in the scenario's unit. */
  | { readonly kind: "excess"; readonly atMost: number }
  | { readonly kind: "value"; readonly atMost: number }
  | { readonly kind: "floor"; readonly atLeast: number };

/** One run of one contender. */
export interface Measurement {
  /** In the scenario's unit. */
  readonly value: number;
  /** Messages, connections or clients that are missing; anything but 0 is shown. */
  readonly lost: number;
  /** CPU time of the server per message or connection, in microseconds. */
  readonly serverMicros?: number | undefined;
  /** Microseconds from publisher to subscriber. */
  readonly p50Micros?: number;
  readonly p99Micros?: number;
  /** CPU that neither the server nor the generator used, in percent of a core: what spoils a run. */
  readonly otherCpuPercent?: number;
  /** What a reader has to know to believe the figure. */
  readonly notes?: readonly string[];
}

export interface Contender {
  /** The broker's name, with what is different about it where a scenario has it twice. */
  readonly name: string;
  readonly broker: BrokerKind;
  /** None: anonymous. */
  readonly grants: readonly Grant[];
  measure(broker: RunningBroker, pace: Pace): Promise<Measurement>;
}

/** How long to measure. */
export interface Pace {
  readonly secs: number;
}

/** A row of the table. */
export interface Scenario {
  /** For `--only`. */
  readonly id: string;
  readonly title: string;
  /** As short as progress lines and the plot need it. */
  readonly label: string;
  readonly unit: "deliveries/s" | "messages/s" | "connections/s" | "µs" | "ms" | "s" | "B" | "kB" | "MB";
  readonly better: "more" | "less";
  readonly target: Target;
  /** Of the contender that the first one is held against; mosquitto where it is left out. */
  readonly baseline?: string;
  /** Once is enough for what does not depend on the machine's mood. */
  readonly isOnce?: true;
  /** How a person would repeat it. */
  readonly command: string;
  /** The first one is Weir. */
  contenders(brokers: readonly BrokerKind[]): readonly Contender[];
}
