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
    const start = (): Promise<BrokerProcess> =>
      BrokerProcess.start({
        command: join(checkoutFolder, "bin", "weir"),
        args: ["serve", "--mqtt-port", String(port), "--http-port", String(webSocketPort), "--data", cwd],
        cwd,
        env: { WEIR_ADMIN_TOKEN: adminToken },
        ports: [port, webSocketPort],
      });
    let broker = await start();
    const url = `http://127.0.0.1:${webSocketPort}`;
    const credentials = await makeTokens(createWeirClient({ url, token: adminToken }), grants);
    return {
      port,
      webSocketPort,
      get pid() {
        return broker.pid;
      },
      credentials,
      ending: () => broker.ending(),
      restart: async () => {
        await broker.kill();
        broker = await start();
      },
      dataDirectory: cwd,
      admin: { url, token: adminToken },
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
