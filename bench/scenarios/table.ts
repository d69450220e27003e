import { drain } from "./drain.ts";
import { durableDelay } from "./durable-delay.ts";
import { durableRate } from "./durable-rate.ts";
import { idleMemory } from "./idle-memory.ts";
import { loadScenario } from "./load.ts";
import { manyOffline } from "./many-offline.ts";
import { persistentPairs } from "./persistent-pairs.ts";
import { queueDisk } from "./queue-disk.ts";
import { queueMemory } from "./queue-memory.ts";
import { reconnect } from "./reconnect.ts";
import { restartConnect, restartOutboxes } from "./restart.ts";
import type { Scenario } from "./scenario.ts";
import { storm } from "./storm.ts";
import { watchers } from "./watchers.ts";
import { policyGroup, widePolicy } from "./wide-policy.ts";

const PAIRS_500 = "--pubs 500 --subs 500 --window 1 --batch 1";
const PAIRS_50 = "--pubs 50 --subs 50";

/** The rows of the table, in its order. Messages have 128 bytes. */
export const scenarios: readonly Scenario[] = [
  loadScenario({
    id: "pairs-qos0",
    title: "500 pairs, QoS 0, window 1",
    args: `${PAIRS_500} --qos 0`,
    target: { kind: "ratio", atLeast: 1 },
  }),
  loadScenario({
    id: "pairs-qos1",
    title: "500 pairs, QoS 1, window 1",
    args: `${PAIRS_500} --qos 1`,
    target: { kind: "ratio", atLeast: 1.1 },
  }),
  loadScenario({
    id: "fan-in",
    title: "fan-in 500 → 1, window 1",
    args: "--layout fanin --pubs 500 --subs 1 --window 1 --batch 1",
    target: { kind: "ratio", atLeast: 2 },
  }),
  loadScenario({
    id: "fan-out",
    title: "fan-out 1 → 1,000, window 1",
    args: "--layout fanout --pubs 1 --subs 1000 --window 1 --batch 1",
    target: { kind: "ratio", atLeast: 1.3 },
  }),
  loadScenario({
    id: "bulk-qos0",
    title: "bulk: 50 pairs, QoS 0",
    args: `${PAIRS_50} --qos 0`,
    target: { kind: "ratio", atLeast: 15 },
  }),
  loadScenario({
    id: "bulk-qos1",
    title: "bulk: 50 pairs, QoS 1",
    args: `${PAIRS_50} --qos 1`,
    target: { kind: "ratio", atLeast: 15 },
  }),
  loadScenario({
    id: "bulk-fan-out",
    title: "bulk: fan-out 1 → 100",
    args: "--layout fanout --pubs 1 --subs 100",
    target: { kind: "ratio", atLeast: 15 },
  }),
  loadScenario({
    id: "pairs-websocket",
    title: "500 pairs over WebSocket, window 1 (the others over TCP)",
    label: "500 pairs over WebSocket",
    args: `${PAIRS_500} --qos 0`,
    target: { kind: "ratio", atLeast: 0.8 },
    isWebSocket: true,
  }),
  loadScenario({
    id: "latency",
    title: "median latency at 10,000 messages/s, 50 pairs",
    label: "latency at 10,000 messages/s",
    args: `${PAIRS_50} --rate 10000`,
    target: { kind: "excess", atMost: 15 },
    measures: "latency",
  }),
  storm,
  idleMemory("tcp", 5),
  idleMemory("ws", 7),
  watchers,
  widePolicy,
  policyGroup,
  durableRate,
  persistentPairs,
  manyOffline,
  drain,
  reconnect,
  restartConnect,
  restartOutboxes,
  durableDelay,
  queueMemory,
  queueDisk,
];
