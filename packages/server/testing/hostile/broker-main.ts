import { readdirSync } from "node:fs";
import { devNull } from "node:os";
import { createBroker, loadConfig } from "@weir/server";
import type { Config } from "@weir/server";
import { ADMIN_TOKEN } from "./broker-process.ts";
import type { BrokerMeasure, BrokerOrder, BrokerProcessOptions } from "./broker-process.ts";

// A broker alone in its process, so that what it holds can be measured: see `startBrokerProcess`.

const MAX_KEPT_LINES = 10_000;
const ERROR_LEVEL = '"level":"error"';
const MEGABYTE = 1_048_576;

const options = JSON.parse(process.argv[2] ?? "{}") as BrokerProcessOptions;
const log: string[] = [];
const errors: string[] = [];
const { engine = "memory", data } = options;
const flags = [
  { path: "engine", flag: "--engine", value: engine },
  ...(data === undefined ? [] : [{ path: "data", flag: "--data", value: data }]),
];
const broker = createBroker(withOptions(loadConfig({ file: devNull, flags })), {
  adminToken: ADMIN_TOKEN,
  logStream: { write: note },
});
const { addresses } = await broker.start();
process.on("message", (order: BrokerOrder) => void obey(order));
process.on("disconnect", () => process.exit(0));
process.send?.({ kind: "started", addresses });

async function obey(order: BrokerOrder): Promise<void> {
  if (order === "measure") process.send?.({ kind: "measure", measure: await measure() });
  else process.send?.({ kind: "log", log });
}

async function measure(): Promise<BrokerMeasure> {
  // What is closing needs a moment, and buffers are freed by the second collection
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return {
    liveMegabytes: (heapUsed + external) / MEGABYTE,
    residentMegabytes: rss / MEGABYTE,
    openFiles: readdirSync("/proc/self/fd").length,
    errors: errors.splice(0),
  };
}

function note(line: string): void {
  if (line.includes(ERROR_LEVEL)) errors.push(line);
  log.push(line);
  if (log.length > MAX_KEPT_LINES) log.shift();
}

function withOptions(defaults: Config): Config {
  return {
    ...defaults,
    mqtt: { ...defaults.mqtt, port: 0, ...options.mqtt },
    http: { ...defaults.http, port: 0, ...options.http },
    limits: { ...defaults.limits, ...options.limits },
    anonymous: options.anonymous ?? { allow: "loopback" },
    log: { level: options.logLevel ?? "info" },
  };
}
