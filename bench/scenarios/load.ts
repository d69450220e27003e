import { runLoad, shownCommand, type LoadOptions, type LoadResult } from "../generator.ts";
import type { Measurement, Pace, Scenario, Target } from "./scenario.ts";
import { benchCredentials, usualGrants } from "./users.ts";

export interface LoadScenario {
  readonly id: string;
  readonly title: string;
  /** The title, where that is short enough. */
  readonly label?: string;
  /** Of mqttload, but for how long. */
  readonly args: string;
  readonly target: Target;
  /** Deliveries a second, unless the median latency is asked for. */
  readonly measures?: "deliveries" | "latency";
  /** Weir over WebSocket; the others over TCP. */
  readonly isWebSocket?: true;
}

/** A scenario of publishers and subscribers that mqttload plays by itself. */
export function loadScenario(declared: LoadScenario): Scenario {
  const isLatency = declared.measures === "latency";
  const args = ["pubsub", ...declared.args.split(" ")];
  return {
    id: declared.id,
    title: declared.title,
    label: declared.label ?? declared.title,
    unit: isLatency ? "µs" : "deliveries/s",
    better: isLatency ? "less" : "more",
    target: declared.target,
    command: shownCommand(args, declared.isWebSocket),
    contenders: (brokers) =>
      brokers.map((broker) => ({
        name: broker.name,
        broker,
        grants: usualGrants(broker),
        async measure(running, pace) {
          const isWebSocket = declared.isWebSocket === true && broker.hasWebSocket;
          const credentials = benchCredentials(running);
          return measureLoad({ args, broker: running, credentials, isWebSocket }, pace, isLatency);
        },
      })),
  };
}

/** Runs mqttload for as long as the pace says, after a second in which the broker warms up. */
export async function measureLoad(
  options: LoadOptions,
  { secs }: Pace,
  isLatency = false,
): Promise<Measurement> {
  const result = await runLoad({
    ...options,
    args: [...options.args, "--secs", String(secs), "--warmup", "1"],
  });
  return {
    value: isLatency ? result.lat_us.p50 : result.recv_per_s,
    lost: result.lost,
    serverMicros: options.broker.pid === undefined ? undefined : result.server_us_per_msg,
    p50Micros: result.lat_us.p50,
    p99Micros: result.lat_us.p99,
    otherCpuPercent: result.other_cpu_pct,
    notes: complaintsOf(result),
  };
}

/** Whatever makes a figure worth less than it looks. */
function complaintsOf(result: LoadResult): string[] {
  const counts: [number, string][] = [
    [result.dups, "duplicates"],
    [result.stalls, "stalls of half a second"],
    [result.skipped, "messages not sent, as the broker did not read"],
    [result.dropped_conns, "connections dropped"],
  ];
  const complaints = counts.flatMap(([count, what]) => (count > 0 ? [`${count} ${what}`] : []));
  if (result.gen_cpu_pct > 95) complaints.push("the generator was the limit");
  return complaints;
}
