import { freePort } from "../process/free-port.ts";
import type { FleetPorts } from "./fleet.ts";

/** Ports for a whole fleet on which nothing listens now. */
export async function freePorts(): Promise<FleetPorts> {
  const [mqtt, http, app, ingest, database] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  return { mqtt, http, app, ingest, database };
}
