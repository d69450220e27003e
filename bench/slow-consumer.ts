// What a frozen subscriber costs the one beside it: `node --conditions=@weir/source bench/slow-consumer.ts [seconds]`.
// 1,000 messages of 8 KiB a second to a subscriber that reads, alone and beside one that has stopped; the broker on core
// 0, everything else on core 1, the two interleaved in five rounds.
import { execFileSync } from "node:child_process";
import { type BrokerProcess, startBrokerProcess } from "../packages/server/testing/hostile/broker-process.ts";
import { brokerCore, moveToGeneratorCore } from "./cores.ts";

const RATE_PER_S = 1_000;
const PAYLOAD_BYTES = 8_192;
const ROUNDS = 5;
const topic = "fast";

interface Result {
  readonly received: number;
  readonly sent: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly dropped: number;
  readonly liveMegabytes: number;
}

const seconds = Number(process.argv[2] ?? 10);
moveToGeneratorCore();
const alone: Result[] = [];
const beside: Result[] = [];
for (let round = 1; round <= ROUNDS; round++) {
  alone.push(await measure(false));
  beside.push(await measure(true));
  const [p99Alone, p99Beside] = [alone, beside].map((results) => results.at(-1)?.p99Ms.toFixed(2));
  console.log(`round ${round} of ${ROUNDS}: p99 ${p99Alone} ms alone, ${p99Beside} ms beside the frozen one`);
}
console.table({ alone: quietestOf(alone), "beside a frozen one": quietestOf(beside) });
const cost = quietestOf(beside).p99Ms - quietestOf(alone).p99Ms;
console.log(
  `The frozen one costs the other ${cost.toFixed(2)} ms at p99, and ${lostBy(beside)} messages in all rounds.`,
);

async function measure(isFrozenThere: boolean): Promise<Result> {
  const broker = await startBrokerProcess({ logLevel: "error" });
  const pin = ["--all-tasks", "--cpu-list", "--pid", String(brokerCore), String(broker.pid)];
  execFileSync("taskset", pin, { stdio: "ignore" });
  if (isFrozenThere) await addFrozen(broker);
  const before = await broker.measure();
  const { sent, delaysMs } = await exchange(broker);
  const now = await broker.measure();
  const dropped = await broker.metric('weir_messages_dropped_total{reason="slow"}');
  await broker.stop();
  delaysMs.sort((a, b) => a - b);
  const at = (share: number): number => delaysMs[Math.floor((delaysMs.length - 1) * share)] ?? Number.NaN;
  const delays = { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  return {
    received: delaysMs.length,
    sent,
    ...delays,
    dropped,
    liveMegabytes: now.liveMegabytes - before.liveMegabytes,
  };
}

async function addFrozen(broker: BrokerProcess): Promise<void> {
  const frozen = await broker.connect({ clientId: "frozen" });
  await frozen.subscribe(topic);
  frozen.freeze();
}

async function exchange(broker: BrokerProcess): Promise<{ sent: number; delaysMs: number[] }> {
  const publisher = await broker.connect({ clientId: "publisher" });
  const reader = await broker.connect({ clientId: "reader" });
  await reader.subscribe(topic);
  const delaysMs: number[] = [];
  const total = seconds * RATE_PER_S;
  const reading = (async () => {
    while (delaysMs.length < total) {
      const { payload } = await reader.receive("publish");
      delaysMs.push(performance.now() - Buffer.from(payload).readDoubleBE(0));
      reader.chunks.length = 0;
    }
  })().catch(() => undefined); // what was lost is what is missing
  const startedAtMs = performance.now();
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, Math.floor(((performance.now() - startedAtMs) * RATE_PER_S) / 1_000));
    for (; sent < due; sent++) publisher.send(publisher.publishPacket(topic, stamped()));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await reading;
  return { sent: total, delaysMs };
}

function stamped(): Buffer {
  const payload = Buffer.alloc(PAYLOAD_BYTES);
  payload.writeDoubleBE(performance.now());
  return payload;
}

function lostBy(results: readonly Result[]): number {
  return results.reduce((sum, { sent, received }) => sum + sent - received, 0);
}

/** The round that other work on the machine has disturbed least. */
function quietestOf(results: readonly Result[]): Result {
  return results.toSorted((a, b) => a.p99Ms - b.p99Ms)[0] as Result;
}
