import type { MqttTestClient } from "@weir/testkit";
import type { Allowance, Grant, RunningBroker } from "../brokers/broker.ts";
import { closeAll, countMissing, publishingClient, subscribedClient } from "./held-clients.ts";
import { measureLoad } from "./load.ts";
import type { Measurement, Pace, Scenario } from "./scenario.ts";
import { benchCredentials, benchUsers } from "./users.ts";

const ENTRIES = 1_000;
const WARM_UP_REPETITIONS = 3;
const REPETITIONS = 200;
/** Clients that stay, to see that each gets its messages. */
const KEPT = 20;
const GROUP_MEMBERS = 10_000;
const MEMBERS_AT_ONCE = 4;
const GROUP_TIMEOUT_MS = 60_000;
const WIDE_USER = "wide";
const PUBLISHER = "wide-publisher";

const filters = Array.from({ length: ENTRIES }, (_, index) => `wide/${index}/+`);
const topicOf = (index: number): string => `wide/${index}/news`;

const grants: readonly Grant[] = [
  ...benchUsers,
  { user: WIDE_USER, allow: filters.map((topic): Allowance => ({ actions: ["subscribe"], topic })) },
  { user: PUBLISHER, allow: [{ actions: ["publish"], topic: "wide/#" }] },
];

/** One user with a thousand policy entries, who subscribes to all thousand; others are served meanwhile. */
export const widePolicy: Scenario = {
  id: "wide-user",
  title: "one user with 1,000 policy entries and 1,000 subscriptions: connect and subscribe, p99",
  label: "1,000 entries, 1,000 subscriptions",
  unit: "ms",
  better: "less",
  target: { kind: "value", atMost: 50 },
  baseline: "mosquitto with the same ACL",
  isOnce: true,
  command: `a driver in bench/, ${REPETITIONS} times; beside it mqttload pubsub --pubs 50 --subs 50 --rate 5000`,
  contenders: (brokers) =>
    brokers
      .filter((broker) => broker.hasAccessControl)
      .map((broker) => {
        const name = broker.name === "Weir" ? "Weir" : `${broker.name} with the same ACL`;
        return { name, broker, grants, measure: measureWideUser };
      }),
};

async function measureWideUser(broker: RunningBroker, pace: Pace): Promise<Measurement> {
  const others = measureOthers(broker, 5_000, pace);
  const timesMs: number[] = [];
  const clients: MqttTestClient[] = [];
  for (let count = 0; count < WARM_UP_REPETITIONS; count++)
    clients.push(await openMember(broker, filters, []));
  for (let count = 0; count < REPETITIONS; count++) {
    const client = await openMember(broker, filters, timesMs);
    if (count < KEPT) clients.push(client);
    else await client.cut();
  }
  const load = await others;
  const publisher = await publishingClient(broker, broker.credentials.get(PUBLISHER));
  for (let index = 0; index < ENTRIES; index++) await publisher.publish(topicOf(index), "news");
  let missing = 0;
  for (let index = 0; index < ENTRIES; index++) missing += await countMissing(clients, () => topicOf(index));
  await closeAll([...clients, publisher]);
  return summary(timesMs, load, missing);
}

/** Ten thousand clients under one policy of a thousand entries, each subscribed to everything that it may see. */
export const policyGroup: Scenario = {
  id: "policy-group",
  title: "10,000 clients under one 1,000-entry policy, each subscribed to `#`: connect and subscribe, p99",
  label: "10,000 users of one policy",
  unit: "ms",
  better: "less",
  target: { kind: "value", atMost: 50 },
  isOnce: true,
  command: `a driver in bench/, ${MEMBERS_AT_ONCE} at once; then mqttload pubsub --pubs 50 --subs 50 --rate 1000 beside them`,
  contenders: (brokers) =>
    brokers
      .filter((broker) => broker.name === "Weir")
      .map((broker) => ({ name: broker.name, broker, grants, measure: measureGroup })),
};

async function measureGroup(broker: RunningBroker, pace: Pace): Promise<Measurement> {
  const timesMs: number[] = [];
  const clients: MqttTestClient[] = [];
  const deadlineMs = Date.now() + GROUP_TIMEOUT_MS;
  let left = GROUP_MEMBERS;
  const failures: string[] = [];
  const openSome = async (): Promise<void> => {
    while (left-- > 0 && failures.length === 0 && Date.now() < deadlineMs) {
      try {
        clients.push(await openMember(broker, ["#"], timesMs));
      } catch (error) {
        failures.push(`client ${clients.length + 1}: ${(error as Error).message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: MEMBERS_AT_ONCE }, openSome));
  if (failures[0] !== undefined) throw new Error(failures[0]);
  const load = await measureOthers(broker, 1_000, pace);
  const publisher = await publishingClient(broker, broker.credentials.get(PUBLISHER));
  await publisher.publish(topicOf(1), "news");
  const missing = await countMissing(clients, () => topicOf(1));
  await closeAll([...clients, publisher]);
  return summary(timesMs, load, missing + GROUP_MEMBERS - clients.length);
}

async function openMember(
  broker: RunningBroker,
  wanted: readonly string[],
  timesMs: number[],
): Promise<MqttTestClient> {
  const startedAtMs = performance.now();
  const client = await subscribedClient(broker, broker.credentials.get(WIDE_USER), wanted);
  timesMs.push(performance.now() - startedAtMs);
  return client;
}

function measureOthers(broker: RunningBroker, rate: number, pace: Pace): Promise<Measurement> {
  const args = ["pubsub", "--pubs", "50", "--subs", "50", "--rate", String(rate)];
  return measureLoad({ args, broker, credentials: benchCredentials(broker) }, pace);
}

function summary(timesMs: readonly number[], load: Measurement, missing: number): Measurement {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  const median = `median ${at(0.5).toFixed(1)} ms, longest ${at(1).toFixed(1)} ms of ${sorted.length}`;
  const notes = [median, "latencies and CPU are those of the pairs beside", ...(load.notes ?? [])];
  if (missing > 0) notes.push(`${missing} messages or clients missing`);
  return { ...load, value: at(0.99), lost: load.lost + missing, notes };
}
