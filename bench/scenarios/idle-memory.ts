import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { BrokerKind, RunningBroker } from "../brokers/broker.ts";
import { runLoad, shownCommand } from "../generator.ts";
import type { Measurement, Scenario } from "./scenario.ts";
import { benchCredentials, usualGrants } from "./users.ts";

const CONNECTIONS = 15_000;
const WARM_UP_CONNECTIONS = 1_000;
/** What a broker has open besides its connections. */
const OTHER_FILES = 500;
const HOLD_S = 5;
const SAMPLE_MS = 200;
/** The median of the last second before the connections are closed. */
const SAMPLES = 5;

/** Anonymous memory per connection that is open, pings now and then, and does nothing else. */
export function idleMemory(transport: "tcp" | "ws", atMostKilobytes: number): Scenario {
  const isWebSocket = transport === "ws";
  const connections = Math.min(CONNECTIONS, maxOpenFiles() - OTHER_FILES);
  return {
    id: `memory-${transport}`,
    title: `memory per idle connection at ${connections.toLocaleString("en")}, ${isWebSocket ? "WebSocket" : "TCP"}`,
    label: `memory per connection, ${isWebSocket ? "WebSocket" : "TCP"}`,
    unit: "kB",
    better: "less",
    target: { kind: "value", atMost: atMostKilobytes },
    isOnce: true,
    command: `${shownCommand(argsFor(connections), isWebSocket)}; RssAnon of the server before and during`,
    contenders: (brokers) =>
      brokers
        .filter((broker) => hasTransport(broker, isWebSocket))
        .map((broker) => ({
          name: broker.name,
          broker,
          grants: usualGrants(broker),
          measure: (running) => measureMemory(running, connections, isWebSocket && broker.hasWebSocket),
        })),
  };
}

/** mosquitto stays in the row over WebSocket, over TCP, as what the ratio is made with. */
function hasTransport(broker: BrokerKind, isWebSocket: boolean): boolean {
  return !isWebSocket || broker.hasWebSocket || broker.name === "mosquitto";
}

function argsFor(connections: number): string[] {
  return ["conns", "--conns", String(connections), "--srcs", "8", "--hold", String(HOLD_S)];
}

async function measureMemory(
  broker: RunningBroker,
  connections: number,
  isWebSocket: boolean,
): Promise<Measurement> {
  const { pid } = broker;
  if (pid === undefined) throw new Error("the memory of a given broker is only known with its pid");
  const credentials = benchCredentials(broker);
  const warmUp = ["conns", "--conns", String(WARM_UP_CONNECTIONS), "--hold", "1"];
  await runLoad({ args: warmUp, broker, credentials, isWebSocket });
  await sleep(1_000);
  const before = anonymousBytes(pid);
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(anonymousBytes(pid)), SAMPLE_MS);
  const onResult = (): void => clearInterval(timer);
  try {
    const args = argsFor(connections);
    const result = await runLoad({ args, broker, credentials, isWebSocket, onResult });
    const during = samples.slice(-SAMPLES).toSorted((a, b) => a - b)[Math.floor(SAMPLES / 2)] ?? before;
    return {
      value: (during - before) / 1_000 / connections,
      lost: result.failed + result.dropped_in_hold,
      serverMicros: result.server_us_per_conn,
      notes: [`${Math.round(before / 1e6)} MB before, ${Math.round(during / 1e6)} MB during`],
    };
  } finally {
    clearInterval(timer);
  }
}

function anonymousBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1_024;
}

function maxOpenFiles(): number {
  if (!existsSync("/proc/self/limits")) return Infinity;
  const limits = readFileSync("/proc/self/limits", "utf8");
  return Number(/^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
}
