import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { RunningBroker } from "../brokers/broker.ts";
import { shownCommand } from "../generator.ts";
import { offlineArgs, storeForOneAway } from "./queued-messages.ts";
import type { Measurement, Scenario } from "./scenario.ts";
import { usualGrants } from "./users.ts";

const MESSAGES = 400_000;

/** Log and indexes, with all that a record needs besides its payload. */
export const queueDisk: Scenario = {
  id: "queue-disk",
  title: "disk used per queued message of 128 bytes",
  label: "disk per 128 B message",
  unit: "B",
  better: "less",
  target: { kind: "value", atMost: 200 },
  isOnce: true,
  command: `${shownCommand(offlineArgs(MESSAGES))}; bytes of the log`,
  contenders: (brokers) =>
    brokers
      .filter(({ name }) => name === "Weir")
      .map((broker) => ({ name: broker.name, broker, grants: usualGrants(broker), measure })),
};

async function measure(broker: RunningBroker): Promise<Measurement> {
  const { lost } = await storeForOneAway(broker, MESSAGES);
  const log = join(broker.dataDirectory!, "store", "log");
  const entries = readdirSync(log, { withFileTypes: true, recursive: true }).filter((entry) =>
    entry.isFile(),
  );
  const bytes = entries.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  return { value: bytes / MESSAGES, lost };
}
