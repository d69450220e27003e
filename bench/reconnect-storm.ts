// What thousands of clients that come back at once cost: `node --conditions=@weir/source bench/reconnect-storm.ts [clients] [rate]`.
// All connect in the same moment, with a token, to a broker that serves two others meanwhile; at the end everybody is in.
import { readFileSync } from "node:fs";
import { Bystanders } from "../packages/server/testing/hostile/bystanders.ts";
import { type BrokerProcess, startBrokerProcess } from "../packages/server/testing/hostile/broker-process.ts";
import { startStorm } from "../packages/server/testing/hostile/storm.ts";

const SLICE_MS = 250;
const clients = Number(process.argv[2] ?? 10_000);
const rate = process.argv[3] === undefined ? {} : { connectRate: Number(process.argv[3]) };

const broker = await startBrokerProcess({ logLevel: "error", limits: rate });
const acl = [{ topic: "#", actions: ["publish", "subscribe"] }];
const response = await broker.rest("POST", "/api/v1/tokens", { ttl: 3_600, acl });
const { key } = (await response.json()) as { key: string };
const bystanders = await Bystanders.start(broker);
const before = await broker.measure();
await loopDelayMs(); // from here on
let peakMegabytes = 0;
const watch = setInterval(() => (peakMegabytes = Math.max(peakMegabytes, residentMegabytes(broker))), 20);
const storm = startStorm({ port: broker.addresses.mqtt.port, count: clients, password: key });
const { admittedAtMs, refused, cut } = await storm.over;
clearInterval(watch);
const delayMs = await loopDelayMs();
const served = await bystanders.stop();
const after = await broker.measure();
const firstMs = admittedAtMs[0] ?? 0;
const tookMs = (admittedAtMs.at(-1) ?? 0) - firstMs;
const slices: number[] = Array.from({ length: Math.floor(tookMs / SLICE_MS) + 1 }, () => 0);
for (const atMs of admittedAtMs) slices[Math.floor((atMs - firstMs) / SLICE_MS)]! += 1;

console.log(`${clients} clients in ${(tookMs / 1_000).toFixed(2)} s; refused ${refused}, cut ${cut}`);
console.log(`admitted each ${SLICE_MS} ms: ${slices.join(" ")}`);
console.log(`event loop late by at most ${delayMs.toFixed(0)} ms`);
console.log(
  `bystanders: ${served.exchanged} messages, none lost, at most ${served.maxDelayMs.toFixed(0)} ms`,
);
const resident = [before.residentMegabytes, peakMegabytes, after.residentMegabytes].map((mib) =>
  mib.toFixed(0),
);
console.log(`resident memory before, at its peak, after: ${resident.join(", ")} MiB`);
const perClient = ((after.liveMegabytes - before.liveMegabytes) * 1_024) / clients;
console.log(`held for each client: ${perClient.toFixed(1)} KiB`);
await storm.end();
await broker.stop();

/** By how much the broker's event loop was late at most since the last call. */
async function loopDelayMs(): Promise<number> {
  return (await broker.metric('weir_event_loop_delay_seconds{quantile="1"}')) * 1_000;
}

function residentMegabytes({ pid }: BrokerProcess): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024;
}
