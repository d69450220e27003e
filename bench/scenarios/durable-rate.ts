import { mosquittoBroker } from "../brokers/mosquitto-broker.ts";
import { shownCommand } from "../generator.ts";
import { offlineArgs, storeForOneAway, storingMicros } from "./queued-messages.ts";
import type { Scenario } from "./scenario.ts";
import { usualGrants } from "./users.ts";

const MESSAGES = 400_000;

/** QoS 1 to a session that is away: Weir has flushed what it acknowledges, mosquitto has it in memory. */
export const durableRate: Scenario = {
  id: "durable-rate",
  title: "QoS 1 to an offline persistent session, 20 × 100 in flight, each PUBACK after fsync",
  label: "QoS 1 to an offline session, PUBACK after fsync",
  unit: "messages/s",
  better: "more",
  target: { kind: "ratio", atLeast: 1 },
  command: shownCommand(offlineArgs(MESSAGES)),
  contenders: (brokers) =>
    brokers
      .filter(({ name }) => name === "Weir" || name === mosquittoBroker.name)
      .map((broker) => ({
        name: broker.name,
        broker,
        grants: usualGrants(broker),
        async measure(running) {
          const result = await storeForOneAway(running, MESSAGES);
          return {
            value: result.enqueue_per_s,
            // mosquitto keeps 1,000 for a session and drops the rest
            lost: broker.name === "Weir" ? result.lost : 0,
            serverMicros: storingMicros(result),
            p50Micros: result.ack_us.p50,
            p99Micros: result.ack_us.p99,
          };
        },
      })),
};
