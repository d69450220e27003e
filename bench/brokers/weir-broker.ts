import { randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { createWeirClient, type WeirClient } from "@weir/api";
import { checkoutFolder, workFolder } from "../folders.ts";
import type { BrokerKind, Credential, Grant } from "./broker.ts";
import { BrokerProcess, freePort } from "./broker-process.ts";

const TOKENS_AT_ONCE = 8;

/** `weir serve` as in production: its defaults, and an access token for every user. */
export const weirBroker: BrokerKind = {
  name: "Weir",
  hasAccessControl: true,
  hasWebSocket: true,
  setup: "`bin/weir serve`, defaults; access control on, an access token for every user",
  async start(grants) {
    const [port, webSocketPort] = [await freePort(), await freePort()];
    const adminToken = randomBytes(24).toString("hex");
    const cwd = mkdtempSync(join(workFolder(), "weir-"));
    const broker = await BrokerProcess.start({
      command: join(checkoutFolder, "bin", "weir"),
      args: ["serve", "--mqtt-port", String(port), "--http-port", String(webSocketPort), "--data", cwd],
      cwd,
      env: { WEIR_ADMIN_TOKEN: adminToken },
      ports: [port, webSocketPort],
    });
    const admin = createWeirClient({ url: `http://127.0.0.1:${webSocketPort}`, token: adminToken });
    const credentials = await makeTokens(admin, grants);
    return {
      port,
      webSocketPort,
      pid: broker.pid,
      credentials,
      ending: () => broker.ending(),
      stop: () => broker.stop(),
    };
  },
};

async function makeTokens(admin: WeirClient, grants: readonly Grant[]): Promise<Map<string, Credential>> {
  const credentials = new Map<string, Credential>();
  const remaining = grants.values();
  const makeSome = async (): Promise<void> => {
    for (const { user, allow } of remaining) {
      const acl = allow.map(({ actions, topic }) => ({ actions: [...actions], topic }));
      const { key } = await admin.tokens.create({ subject: user, acl, ttl: 86_400 });
      credentials.set(user, { username: key });
    }
  };
  await Promise.all(Array.from({ length: TOKENS_AT_ONCE }, makeSome));
  return credentials;
}
