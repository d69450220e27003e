import { setTimeout } from "node:timers/promises";
import { connectedClient } from "@weir/testkit";
import type { BrokerMeasure, BrokerProcess } from "../hostile/broker-process.ts";
import { Bystanders } from "../hostile/bystanders.ts";
import { loadCorpus } from "./corpus.ts";
import { attack, type FuzzTarget, type FuzzTraffic } from "./fuzz-connection.ts";
import { FuzzCredentials } from "./fuzz-credentials.ts";
import { Random } from "./random.ts";

export interface FuzzOptions {
  readonly broker: BrokerProcess;
  /** The same seed makes the same connections. */
  readonly seed: number;
  /** Where to begin and end, counted in connections: to play a part of a run again. */
  readonly from?: number;
  readonly to?: number;
  /** No further batch begins after it. */
  readonly forMs?: number;
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

/**
 * Of the broker: attackers wait neither for CONNECT's time nor for the answers to wrong keys, and the audit log of what
 * operators do is soon as large as it gets.
 */
export const fuzzedLimits = { connectTimeoutS: 1, loginFailures: 1_000_000, auditEntries: 100 } as const;

const BATCH_SIZE = 500;
const AT_ONCE = 24;
const WARM_UP_BATCHES = 2;
/** The log releases 10,000 records at a time, and the table of topics that were published to lately fills up. */
const MAX_GROWTH_MEGABYTES = 32;
const MAX_MORE_FILES = 4;
const MAX_LOOKS = 50;
const LOOK_MS = 200;

/** Before every fiftieth connection somebody changes rights, or ends sessions. */
const MEDDLING = 0.02;

/**
 * Attacks the broker with connections that mutate what clients send, in batches. After each the broker must serve a new
 * client and the bystanders, have logged no error of its own, and hold as much memory and as many files as before.
 *
 * @throws Error that says which connections of which seed it was
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { broker, seed, from = 0, to = Infinity, forMs = Infinity } = options;
  const target = await targetOf(broker);
  const bystanders = await Bystanders.start(broker);
  const endsAtMs = performance.now() + forMs;
  const traffic: FuzzTraffic = { sent: new Set(), received: new Set(), connections: 0, accepted: 0 };
  const measures: BrokerMeasure[] = [];
  for (let start = from; start < to && performance.now() < endsAtMs; start += BATCH_SIZE) {
    const end = Math.min(to, start + BATCH_SIZE);
    try {
      await attackAll(target, seed, [start, end], traffic);
      await bystanders.exchangeAnother();
      const measure = await checkBroker(broker, measures);
      measures.push(measure);
      options.onBatch?.({ connections: end - from, measure });
    } catch (error) {
      throw new Error(`seed ${seed}, connections ${start} to ${end}: ${String(error)}`, { cause: error });
    }
  }
  await bystanders.stop();
  return { traffic, measures };
}

/** With keys, and a history to replay. */
async function targetOf(broker: BrokerProcess): Promise<FuzzTarget> {
  const history = { filter: "a/#", maxAge: 3_600, maxBytes: 1_048_576 };
  await broker.rest("PUT", "/api/v1/histories/fuzz", history);
  const { mqtt, http } = broker.addresses;
  const credentials = await FuzzCredentials.make(broker);
  return { mqttPort: mqtt.port, httpPort: http.port, credentials, corpus: (loadedCorpus ??= loadCorpus()) };
}

async function attackAll(
  target: FuzzTarget,
  seed: number,
  [start, end]: readonly [number, number],
  traffic: FuzzTraffic,
): Promise<void> {
  let next = start;
  const attackNext = async (): Promise<void> => {
    for (let index = next++; index < end; index = next++) {
      const random = Random.of(seed, index);
      if (random.chance(MEDDLING)) await target.credentials.meddle(random);
      await attack(target, random, traffic).catch((error: unknown) => {
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
  for (let look = 1; ; look++) {
    const measure = await broker.measure();
    if (measure.errors.length > 0) throw new Error(`the broker logged errors: ${measure.errors.join("")}`);
    const grown = growth(before[WARM_UP_BATCHES - 1] ?? measure, measure);
    if (grown === undefined) return measure;
    if (look === MAX_LOOKS) throw new Error(grown);
    await setTimeout(LOOK_MS); // some connections may still be ending
  }
}

/** What there is more of than at first, if anything. */
function growth(first: BrokerMeasure, now: BrokerMeasure): string | undefined {
  const megabytes = now.liveMegabytes - first.liveMegabytes;
  if (megabytes > MAX_GROWTH_MEGABYTES) return `memory has grown by ${megabytes.toFixed(1)} MiB`;
  const files = now.openFiles - first.openFiles;
  return files > MAX_MORE_FILES ? `${files} files more are open` : undefined;
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
  const response = await broker.rest("GET", "/api/v1/sessions?connected=false&limit=1000");
  const { items } = (await response.json()) as { readonly items: readonly { readonly id: string }[] };
  for (const { id } of items) await broker.rest("DELETE", `/api/v1/sessions/${id}`);
  await broker.rest("DELETE", "/api/v1/retained?filter=%23");
}
