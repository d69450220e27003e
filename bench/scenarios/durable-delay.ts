import type { RunningBroker } from "../brokers/broker.ts";
import { shownCommand } from "../generator.ts";
import { leaveSessions, metricOf, offlineArgs, queuedFilter, storeForOneAway } from "./queued-messages.ts";
import type { Measurement, Scenario } from "./scenario.ts";
import { usualGrants } from "./users.ts";

const WARM_UP = 50_000;
const MESSAGES = 400_000;
const DELAY = 'weir_event_loop_delay_seconds{quantile="0.99"}';

/** How long everybody else waits while all are stored. */
export const durableDelay: Scenario = {
  id: "durable-delay",
  title: "event-loop delay under durable load, p99",
  label: "event-loop delay under durable load",
  unit: "ms",
  better: "less",
  target: { kind: "value", atMost: 20 },
  isOnce: true,
  command: `${shownCommand(offlineArgs(MESSAGES))}; weir_event_loop_delay_seconds of /metrics`,
  contenders: (brokers) =>
    brokers
      .filter(({ name }) => name === "Weir")
      .map((broker) => ({ name: broker.name, broker, grants: usualGrants(broker), measure })),
};

async function measure(broker: RunningBroker): Promise<Measurement> {
  await leaveSessions(broker, ["away"], queuedFilter);
  await storeForOneAway(broker, WARM_UP);
  await metricOf(broker, DELAY); // counts anew from here
  const { lost, enqueue_per_s } = await storeForOneAway(broker, MESSAGES);
  const value = (await metricOf(broker, DELAY)) * 1_000;
  return { value, lost, notes: [`at ${Math.round(enqueue_per_s).toLocaleString("en")} messages/s`] };
}
