import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import { aedesVersion } from "./brokers/aedes-broker.ts";
import { mosquittoVersion } from "./brokers/mosquitto-broker.ts";

/** Where a run took place. */
export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  readonly mosquitto: string;
  readonly aedes: string;
  /** Over 1, 5 and 15 minutes, before the run. */
  readonly loadAverage: readonly number[];
}

export function describeMachine(): Machine {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model.trim() ?? "unknown CPU",
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: release(),
    node: process.version.slice(1),
    mosquitto: mosquittoVersion() ?? "not installed",
    aedes: aedesVersion(),
    loadAverage: loadavg(),
  };
}
