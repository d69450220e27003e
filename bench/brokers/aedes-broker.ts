import { mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { workFolder } from "../folders.ts";
import type { BrokerKind } from "./broker.ts";
import { BrokerProcess, freePort } from "./broker-process.ts";

const SERVER = fileURLToPath(new URL("aedes-server.ts", import.meta.url));

/** aedes as its own documentation runs it: in memory, anonymous, a server of node:net. */
export const aedesBroker: BrokerKind = {
  name: "aedes",
  hasAccessControl: false,
  hasWebSocket: false,
  setup: "`Aedes.createBroker()` with its defaults behind `node:net`, in memory, anonymous",
  async start() {
    const port = await freePort();
    const cwd = mkdtempSync(join(workFolder(), "aedes-"));
    const args = ["--disable-warning=ExperimentalWarning", SERVER, String(port)];
    const broker = await BrokerProcess.start({ command: process.execPath, args, cwd, ports: [port] });
    return {
      port,
      pid: broker.pid,
      credentials: new Map(),
      ending: () => broker.ending(),
      stop: () => broker.stop(),
    };
  },
};

export function aedesVersion(): string {
  const file = fileURLToPath(new URL("package.json", import.meta.resolve("aedes")));
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
