import { WeirProcess } from "./weir-process.ts";

/** `weir serve` on free ports. */
export interface ServedBroker {
  readonly process: WeirProcess;
  readonly pid: number;
  readonly mqttUrl: string;
  /** For commands that talk to it over REST, and for clients: the admin token. */
  readonly environment: { readonly WEIR_URL: string; readonly WEIR_TOKEN: string };
}

export const ADMIN_TOKEN = "an-admin-token-of-more-than-32-characters";

/** Started with a data directory, and ready. End it with `process[Symbol.asyncDispose]`. */
export async function serveData(data: string): Promise<ServedBroker> {
  const args = ["serve", "--mqtt-port", "0", "--http-port", "0", "--data", data];
  const process = new WeirProcess(args, { WEIR_ADMIN_TOKEN: ADMIN_TOKEN });
  const [, mqttUrl = ""] = await process.until(/MQTT +(mqtt:\S+)/);
  const [, url = ""] = await process.until(/REST +(https?:\S+)\/api\/v1/);
  await process.until(/State is kept in /);
  return { process, pid: process.pid, mqttUrl, environment: { WEIR_URL: url, WEIR_TOKEN: ADMIN_TOKEN } };
}
