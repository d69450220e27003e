import type { BrokerKind, Grant, RunningBroker } from "../brokers/broker.ts";
import { shownCommand } from "../generator.ts";
import { closeAll, countMissing, publishingClient, subscribedClient } from "./held-clients.ts";
import { measureLoad } from "./load.ts";
import type { Contender, Measurement, Pace, Scenario } from "./scenario.ts";
import { benchCredentials, benchUsers } from "./users.ts";

const WATCHERS = 100;
const args = "pubsub --pubs 500 --subs 500 --window 1 --batch 1".split(" ");
const topicOf = (index: number): string => `watch/${index}`;
const PUBLISHER = "watch-publisher";

const grants: readonly Grant[] = [
  ...benchUsers,
  ...Array.from({ length: WATCHERS }, (_, index): Grant => {
    return { user: `watcher-${index}`, allow: [{ actions: ["subscribe"], topic: topicOf(index) }] };
  }),
  { user: PUBLISHER, allow: [{ actions: ["publish"], topic: "watch/#" }] },
];

/** What access control costs those whom it does not concern. */
export const watchers: Scenario = {
  id: "watchers",
  title: "500 pairs beside 100 users subscribed to `#`, each allowed one other topic",
  label: "pairs beside 100 users on #, to Weir alone",
  unit: "deliveries/s",
  better: "more",
  target: { kind: "ratio", atLeast: 0.95 },
  baseline: "Weir without them",
  command: `${shownCommand(args)}, beside 100 clients with a SUBSCRIBE of \`#\``,
  contenders: (brokers) => brokers.filter((broker) => broker.hasAccessControl).flatMap(contendersOf),
};

function contendersOf(broker: BrokerKind): Contender[] {
  const acl = broker.name === "Weir" ? "" : " with the same ACL";
  return [
    { name: `${broker.name}${acl}`, broker, grants, measure: measureBeside },
    {
      name: `${broker.name}${acl} without them`,
      broker,
      grants,
      measure: (running, pace) => measurePairs(running, pace),
    },
  ];
}

function measurePairs(broker: RunningBroker, pace: Pace): Promise<Measurement> {
  return measureLoad({ args, broker, credentials: benchCredentials(broker) }, pace);
}

/** The watchers must see nothing of the pairs, and then the one message that is theirs. */
async function measureBeside(broker: RunningBroker, pace: Pace): Promise<Measurement> {
  const { credentials } = broker;
  const clients = await Promise.all(
    Array.from({ length: WATCHERS }, (_, index) =>
      subscribedClient(broker, credentials.get(`watcher-${index}`), ["#"]),
    ),
  );
  const publisher = await publishingClient(broker, credentials.get(PUBLISHER));
  try {
    const measurement = await measurePairs(broker, pace);
    for (let index = 0; index < WATCHERS; index++) await publisher.publish(topicOf(index), "for you");
    const missing = await countMissing(clients, topicOf);
    if (missing === 0) return measurement;
    const note = `${missing} of the ${WATCHERS} users did not get exactly their own message`;
    return {
      ...measurement,
      lost: measurement.lost + missing,
      notes: [...(measurement.notes ?? []), note],
    };
  } finally {
    await closeAll([...clients, publisher]);
  }
}
