import { setTimeout as sleep } from "node:timers/promises";
import type { RunningBroker } from "../brokers/broker.ts";
import { shownCommand } from "../generator.ts";
import {
  leaveSessions,
  MILLION,
  offlineArgs,
  problemsOf,
  queuedFilter,
  resumeSession,
  storeForOneAway,
} from "./queued-messages.ts";
import type { Measurement, Scenario } from "./scenario.ts";
import { usualGrants } from "./users.ts";

/** Killed with a million messages waiting for a session that is away, and started again. */
function restart(
  what: { id: string; title: string; label: string; atMost: number },
  measure: typeof untilConnack,
): Scenario {
  const { id, title, label, atMost } = what;
  return {
    id,
    title,
    label,
    unit: "s",
    better: "less",
    target: { kind: "value", atMost },
    isOnce: true,
    command: `${shownCommand(offlineArgs(MILLION))} with another session away; kill -9; start`,
    contenders: (brokers) =>
      brokers
        .filter(({ name }) => name === "Weir")
        .map((broker) => ({ name: broker.name, broker, grants: usualGrants(broker), measure })),
  };
}

export const restartConnect: Scenario = restart(
  {
    id: "restart-connect",
    title: "restart with 1,000,000 queued messages, until CONNECT is answered",
    label: "restart with 1,000,000 queued, until CONNACK",
    atMost: 1,
  },
  untilConnack,
);

export const restartOutboxes: Scenario = restart(
  {
    id: "restart-outboxes",
    title: "restart with 1,000,000 queued messages, until all outboxes stand",
    label: "restart with 1,000,000 queued, until outboxes stand",
    atMost: 5,
  },
  untilRecovered,
);

async function untilConnack(broker: RunningBroker): Promise<Measurement> {
  const lost = await storeMillion(broker);
  const startedAtMs = performance.now();
  await broker.restart!();
  const client = await resumeSession(broker, "away");
  const value = (performance.now() - startedAtMs) / 1_000;
  const isResumed = client.connack?.sessionPresent === true;
  await client.receive("publish");
  const firstS = (performance.now() - startedAtMs) / 1_000;
  await client.cut();
  return {
    value,
    lost: isResumed ? lost : lost + MILLION,
    notes: [`first message after ${firstS.toFixed(1)} s`],
  };
}

async function untilRecovered(broker: RunningBroker): Promise<Measurement> {
  const lost = await storeMillion(broker);
  const startedAtMs = performance.now();
  await broker.restart!();
  while ((await problemsOf(broker)).length > 0) await sleep(20);
  return { value: (performance.now() - startedAtMs) / 1_000, lost };
}

async function storeMillion(broker: RunningBroker): Promise<number> {
  await leaveSessions(broker, ["away"], queuedFilter);
  const { lost } = await storeForOneAway(broker, MILLION);
  return lost;
}
