import type { RunningBroker } from "../brokers/broker.ts";
import { shownCommand } from "../generator.ts";
import {
  leaveSessions,
  MILLION,
  offlineArgs,
  queuedFilter,
  restingBytes,
  storeForOneAway,
} from "./queued-messages.ts";
import type { Measurement, Scenario } from "./scenario.ts";
import { usualGrants } from "./users.ts";

const WARM_UP = 100_000;

/** What waits is on the disk: in memory are its numbers. */
export const queueMemory: Scenario = {
  id: "queue-memory",
  title: "memory of 1,000,000 messages that wait for one session",
  label: "memory of 1,000,000 queued",
  unit: "MB",
  better: "less",
  target: { kind: "value", atMost: 50 },
  isOnce: true,
  command: `${shownCommand(offlineArgs(MILLION))}; RssAnon of the server before and after, with another session away`,
  contenders: (brokers) =>
    brokers
      .filter(({ name }) => name === "Weir")
      .map((broker) => ({ name: broker.name, broker, grants: usualGrants(broker), measure })),
};

async function measure(broker: RunningBroker): Promise<Measurement> {
  // The young generation has its size once there was load
  await storeForOneAway(broker, WARM_UP);
  const before = await restingBytes(broker);
  await leaveSessions(broker, ["away"], queuedFilter);
  const { lost } = await storeForOneAway(broker, MILLION);
  const after = await restingBytes(broker);
  const notes = [`${Math.round(before / 1e6)} MB before, ${Math.round(after / 1e6)} MB after`];
  return { value: (after - before) / 1e6, lost, notes };
}
