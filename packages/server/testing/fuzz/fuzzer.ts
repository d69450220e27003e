import { connectedClient } from "@weir/testkit";
import type { BrokerMeasure, BrokerProcess } from "../hostile/broker-process.ts";
import { loadCorpus } from "./corpus.ts";
import { attack, type FuzzTraffic } from "./fuzz-connection.ts";
import { Random } from "./random.ts";

export interface FuzzOptions {
  readonly broker: BrokerProcess;
  /** The same seed makes the same connections. */
  readonly seed: number;
  /** Where to begin and end, counted in connections: to play a part of a run again. */
  readonly from?: number;
  readonly to: number;
  readonly batchSize?: number;
  /** Also called before the first batch: what is there when nothing has happened yet. */
  onBatch?(report: BatchReport): void;
}

export interface BatchReport {
  readonly connections: number;
  readonly measure: BrokerMeasure;
}

export interface FuzzReport {
  readonly traffic: FuzzTraffic;
  /** After each batch. */
  readonly measures: readonly BrokerMeasure[];
}

const DEFAULT_BATCH_SIZE = 500;
const AT_ONCE = 24;
const WARM_UP_BATCHES = 2;
/** The log releases 10,000 records at a time, and the table of topics that were published to lately fills up. */
const MAX_GROWTH_MEGABYTES = 64;
const MAX_MORE_FILES = 4;

/**
 * Attacks the broker with connections that mutate what clients send, in batches. After each the broker must serve a new
 * client, have logged no error of its own, and hold as much memory and as many files as before.
 *
 * @throws Error that says which connections of which seed it was
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { seed, from = 0, to, batchSize = DEFAULT_BATCH_SIZE } = options;
  const traffic: FuzzTraffic = { sent: new Set(), received: new Set(), connections: 0, accepted: 0 };
  const measures: BrokerMeasure[] = [];
  for (let start = from; start < to; start += batchSize) {
    const end = Math.min(to, start + batchSize);
    try {
      await attackAll(options, start, end, traffic);
      const measure = await checkBroker(options.broker, measures);
      measures.push(measure);
      options.onBatch?.({ connections: end - from, measure });
    } catch (error) {
      throw new Error(`seed ${seed}, connections ${start} to ${end}: ${String(error)}`, { cause: error });
    }
  }
  return { traffic, measures };
}

async function attackAll(
  options: FuzzOptions,
  start: number,
  end: number,
  traffic: FuzzTraffic,
): Promise<void> {
  const { addresses } = options.broker;
  const target = { mqttPort: addresses.mqtt.port, httpPort: addresses.http.port };
  const corpus = (loadedCorpus ??= loadCorpus());
  let next = start;
  const attackNext = async (): Promise<void> => {
    for (let index = next++; index < end; index = next++) {
      await attack(target, Random.of(options.seed, index), corpus, traffic).catch((error: unknown) => {
        throw new Error(`connection ${index}: ${String(error)}`, { cause: error });
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, attackNext));
}

let loadedCorpus: ReturnType<typeof loadCorpus> | undefined;

async function checkBroker(broker: BrokerProcess, before: readonly BrokerMeasure[]): Promise<BrokerMeasure> {
  if (broker.hasEnded) throw new Error("the broker has ended");
  for (const over of ["tcp", "ws"] as const) await serveNewClient(broker, over);
  await forgetTraces(broker);
  const measure = await broker.measure();
  if (measure.errors.length > 0) throw new Error(`the broker logged errors: ${measure.errors.join("")}`);
  const first = before[WARM_UP_BATCHES - 1];
  if (first) expectFlat(first, measure);
  return measure;
}

function expectFlat(first: BrokerMeasure, now: BrokerMeasure): void {
  const growth = now.liveMegabytes - first.liveMegabytes;
  if (growth > MAX_GROWTH_MEGABYTES) throw new Error(`memory has grown by ${growth.toFixed(1)} MiB`);
  const files = now.openFiles - first.openFiles;
  if (files > MAX_MORE_FILES) throw new Error(`${files} files more are open`);
}

/** Connects, subscribes, publishes, receives at each QoS. */
async function serveNewClient({ addresses }: BrokerProcess, over: "tcp" | "ws"): Promise<void> {
  const port = over === "tcp" ? addresses.mqtt.port : addresses.http.port;
  const client = await connectedClient(port, { over, clientId: "fuzz-check" });
  await client.subscribe({ topicFilter: "fuzz-check", qos: 2 });
  for (const qos of [0, 1, 2] as const) {
    await client.publish("fuzz-check", `qos ${qos}`, { qos });
    const message = await client.receiveMessage();
    if (Buffer.from(message.payload).toString() !== `qos ${qos}`)
      throw new Error(`a new client got something else`);
  }
  await client.disconnect();
}

/** Sessions and retained messages that attackers left are theirs by right: without them memory is to be as before. */
async function forgetTraces(broker: BrokerProcess): Promise<void> {
  const { items } = (await (
    await broker.rest("GET", "/api/v1/sessions?connected=false&limit=1000")
  ).json()) as {
    items: readonly { readonly id: string }[];
  };
  for (const { id } of items) await broker.rest("DELETE", `/api/v1/sessions/${id}`);
  const client = await connectedClient(broker.addresses.mqtt.port, { version: 4, clientId: "fuzz-broom" });
  await client.subscribe("#");
  client.send({ type: "pingreq" });
  const retained: string[] = [];
  for (let packet = await client.receive(); packet.type !== "pingresp"; packet = await client.receive()) {
    if (packet.type === "publish") retained.push(packet.topic);
  }
  for (const topic of retained) await client.publish(topic, "", { retain: true });
  await client.cut();
}
