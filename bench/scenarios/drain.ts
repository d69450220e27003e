import type { RunningBroker } from "../brokers/broker.ts";
import { shownCommand } from "../generator.ts";
import { MILLION, offlineArgs, storeForOneAway } from "./queued-messages.ts";
import type { Measurement, Scenario } from "./scenario.ts";
import { usualGrants } from "./users.ts";

/** A client comes back to what a million publishes have left for it. */
export const drain: Scenario = {
  id: "drain",
  title: "drain of 1,000,000 queued messages to one client",
  label: "drain of 1,000,000 queued",
  unit: "messages/s",
  better: "more",
  target: { kind: "floor", atLeast: 200_000 },
  isOnce: true,
  command: shownCommand(offlineArgs(MILLION)),
  contenders: (brokers) =>
    brokers
      .filter(({ name }) => name === "Weir")
      .map((broker) => ({ name: broker.name, broker, grants: usualGrants(broker), measure })),
};

async function measure(broker: RunningBroker): Promise<Measurement> {
  const result = await storeForOneAway(broker, MILLION);
  return {
    value: result.drain_per_s,
    lost: result.lost,
    serverMicros: (result.drain_server_cpu_pct * 1e4) / result.drain_per_s,
    notes: [`stored at ${Math.round(result.enqueue_per_s).toLocaleString("en")}/s`],
  };
}
