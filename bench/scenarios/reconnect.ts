import type { RunningBroker } from "../brokers/broker.ts";
import { shownCommand } from "../generator.ts";
import {
  leaveSessions,
  MILLION,
  offlineArgs,
  queuedFilter,
  resumeSession,
  storeForOneAway,
} from "./queued-messages.ts";
import type { Measurement, Scenario } from "./scenario.ts";
import { usualGrants } from "./users.ts";

const SESSIONS = 100;
const MISSED = 100;

/** A device that was away for a moment does not wait for what others have queued. */
export const reconnect: Scenario = {
  id: "reconnect",
  title: "reconnect to 100 missed messages with 1,000,000 others in the log, p99",
  label: "reconnect to 100 missed messages, p99",
  unit: "ms",
  better: "less",
  target: { kind: "value", atMost: 50 },
  isOnce: true,
  command: `${shownCommand(offlineArgs(MILLION))} with another session away; then 100 sessions come back to 100 messages each`,
  contenders: (brokers) =>
    brokers
      .filter(({ name }) => name === "Weir")
      .map((broker) => ({ name: broker.name, broker, grants: usualGrants(broker), measure })),
};

async function measure(broker: RunningBroker): Promise<Measurement> {
  const clientIds = Array.from({ length: SESSIONS }, (_, index) => `missed-${index}`);
  await leaveSessions(broker, clientIds, "bench/missed");
  await leaveSessions(broker, ["away"], queuedFilter);
  const { lost } = await storeForOneAway(broker, MILLION / 2);
  await publishMissed(broker);
  await storeForOneAway(broker, MILLION / 2);
  const timesMs: number[] = [];
  for (const clientId of clientIds) timesMs.push(await timeToAll(broker, clientId));
  const sorted = timesMs.toSorted((a, b) => a - b);
  return { value: sorted[Math.ceil(SESSIONS * 0.99) - 1]!, lost, p50Micros: sorted[SESSIONS / 2]! * 1_000 };
}

async function publishMissed(broker: RunningBroker): Promise<void> {
  const publisher = await resumeSession(broker, "publisher");
  for (let count = 0; count < MISSED; count++)
    await publisher.publish("bench/missed", "x".repeat(128), { qos: 1 });
  await publisher.disconnect();
}

/** From the connection's beginning to the last message that was missed. */
async function timeToAll(broker: RunningBroker, clientId: string): Promise<number> {
  const startedAtMs = performance.now();
  const client = await resumeSession(broker, clientId);
  await client.receiveAll("publish", MISSED);
  const timeMs = performance.now() - startedAtMs;
  await client.cut();
  return timeMs;
}
