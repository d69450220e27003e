import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type ClientOptions, connectedClient, type MqttTestClient } from "@weir/testkit";
import type { RunningBroker } from "../brokers/broker.ts";
import { type LoadResult, runLoad } from "../generator.ts";
import { benchCredentials } from "./users.ts";

/** A million, of 128 bytes each. */
export const MILLION = 1_000_000;

/** Of mqttload: 20 publishers with 100 in flight each store so many for a session that is away, which then takes them. */
export function offlineArgs(count: number): string[] {
  return `offline --layout fanin --pubs 20 --subs 1 --inflight 100 --count ${count}`.split(" ");
}

/** Where `offlineArgs` publishes. */
export const queuedFilter = "bench/#";

export function storeForOneAway(broker: RunningBroker, count: number): Promise<LoadResult> {
  return runLoad({ args: offlineArgs(count), broker, credentials: benchCredentials(broker) });
}

/** CPU time of the server for one message that it stored, in microseconds. */
export function storingMicros({ enqueue_server_cpu_pct, enqueue_per_s }: LoadResult): number {
  return (enqueue_server_cpu_pct * 1e4) / enqueue_per_s;
}

function persistent(broker: RunningBroker, clientId: string): ClientOptions {
  const properties = { sessionExpiryInterval: 86_400, receiveMaximum: 1_000 };
  return { clientId, cleanStart: false, properties, ...broker.credentials.get("user-0") };
}

/** Makes persistent sessions that wait for what matches the filter, and leaves them without a connection. */
export async function leaveSessions(
  broker: RunningBroker,
  clientIds: readonly string[],
  topicFilter: string,
): Promise<void> {
  const remaining = clientIds.values();
  const leaveSome = async (): Promise<void> => {
    for (const clientId of remaining) {
      const client = await connectedClient(broker.port, persistent(broker, clientId));
      await client.subscribe({ topicFilter, qos: 1 });
      await client.disconnect();
    }
  };
  await Promise.all(Array.from({ length: 32 }, leaveSome));
}

/** Comes back to one of them. */
export function resumeSession(broker: RunningBroker, clientId: string): Promise<MqttTestClient> {
  return connectedClient(broker.port, persistent(broker, clientId));
}

/** What `/readyz` says is still to be done. */
export async function problemsOf({ admin }: RunningBroker): Promise<readonly string[]> {
  const answer = await fetch(`${admin!.url}/readyz`);
  return ((await answer.json()) as { readonly problems: readonly string[] }).problems;
}

/** A sample of `/metrics`. */
export async function metricOf({ admin }: RunningBroker, name: string): Promise<number> {
  const answer = await fetch(`${admin!.url}/metrics`, {
    headers: { authorization: `Bearer ${admin!.token}` },
  });
  const line = (await answer.text()).split("\n").find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? NaN);
}

/** Anonymous memory of the process, in bytes, when it has not changed much for two seconds. */
export async function restingBytes(broker: RunningBroker): Promise<number> {
  let before = Infinity;
  for (let look = 0; look < 10; look++) {
    const bytes = anonymousBytes(broker.pid!);
    if (Math.abs(bytes - before) < 1e6) return bytes;
    before = bytes;
    await sleep(2_000);
  }
  return before;
}

function anonymousBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1_024;
}
