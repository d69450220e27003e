import type { BrokerKind, RunningBroker } from "../brokers/broker.ts";
import { shownCommand } from "../generator.ts";
import {
  leaveSessions,
  offlineArgs,
  queuedFilter,
  storeForOneAway,
  storingMicros,
} from "./queued-messages.ts";
import type { Contender, Measurement, Scenario } from "./scenario.ts";
import { usualGrants } from "./users.ts";

const MESSAGES = 200_000;
const SESSIONS = 10_000;

/** A message costs one entry in one list, however many sessions wait for it. */
export const manyOffline: Scenario = {
  id: "many-offline",
  title: "QoS 1 to 10,000 offline persistent sessions on the topic",
  label: "QoS 1 to 10,000 offline sessions, to one",
  unit: "messages/s",
  better: "more",
  target: { kind: "ratio", atLeast: 0.8 },
  baseline: "Weir with one session",
  command: `${shownCommand(offlineArgs(MESSAGES))}, with 10,000 other sessions away`,
  contenders: (brokers) => brokers.filter(({ name }) => name === "Weir").flatMap(contendersOf),
};

function contendersOf(broker: BrokerKind): Contender[] {
  const grants = usualGrants(broker);
  const prepared = new WeakSet<RunningBroker>();
  const measureMany = async (running: RunningBroker): Promise<Measurement> => {
    const clientIds = Array.from({ length: SESSIONS }, (_, index) => `away-${index}`);
    if (!prepared.has(running)) await leaveSessions(running, clientIds, queuedFilter);
    prepared.add(running);
    return measure(running);
  };
  return [
    { name: broker.name, broker, grants, measure: measureMany },
    { name: `${broker.name} with one session`, broker, grants, measure },
  ];
}

async function measure(broker: RunningBroker): Promise<Measurement> {
  const result = await storeForOneAway(broker, MESSAGES);
  return { value: result.enqueue_per_s, lost: result.lost, serverMicros: storingMicros(result) };
}
