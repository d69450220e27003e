import type { Qos } from "@weir/protocol";

export type BenchLayout = "pairs" | "fan-in" | "fan-out";

/** What is to be done, checked. */
export interface BenchPlan {
  readonly layout: BenchLayout;
  /** Connections in all. */
  readonly clients: number;
  /** Messages a second that all publishers together send; 0: as fast as the broker delivers. */
  readonly rate: number;
  readonly qos: Qos;
  /** Bytes of a message. */
  readonly size: number;
  readonly seconds: number;
  /** At rate 0: messages of one publisher that are not yet delivered. */
  readonly window: number;
  /** What all topics begin with. */
  readonly prefix: string;
}

/** Who publishes to whom. */
export interface BenchCast {
  readonly publishers: number;
  readonly subscribers: number;
  /** How many get each message. */
  readonly receivers: number;
}

export function castOf({ layout, clients }: Pick<BenchPlan, "layout" | "clients">): BenchCast {
  if (layout === "fan-in") return { publishers: clients - 1, subscribers: 1, receivers: 1 };
  if (layout === "fan-out") return { publishers: 1, subscribers: clients - 1, receivers: clients - 1 };
  const pairs = Math.floor(clients / 2);
  return { publishers: pairs, subscribers: pairs, receivers: 1 };
}

/** "50 pairs, QoS 0, 128 B" */
export function describePlan(plan: BenchPlan): string {
  const { publishers, subscribers } = castOf(plan);
  const who = plan.layout === "pairs" ? `${publishers} pairs` : `${publishers} → ${subscribers}`;
  const pace = plan.rate === 0 ? `window ${plan.window}` : `${plan.rate.toLocaleString("en")} messages/s`;
  return `${who}, QoS ${plan.qos}, ${plan.size} B, ${pace}, ${plan.seconds} s`;
}
