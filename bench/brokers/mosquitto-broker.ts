import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { workFolder } from "../folders.ts";
import type { Allowance, BrokerKind, Credential, Grant } from "./broker.ts";
import { BrokerProcess, freePort } from "./broker-process.ts";

const ACCESS = { publish: "write", subscribe: "read", both: "readwrite" } as const;

/** mosquitto with the defaults of a build without a configuration file: it loses nothing in the scenarios of this bench. */
export const mosquittoBroker: BrokerKind = {
  name: "mosquitto",
  hasAccessControl: true,
  hasWebSocket: false,
  setup:
    "defaults (max_inflight_messages 20, max_queued_messages 1000, no persistence), anonymous; where a scenario says " +
    '"with the same ACL", password_file and acl_file',
  async start(grants) {
    const port = await freePort();
    const cwd = mkdtempSync(join(workFolder(), "mosquitto-"));
    const credentials = new Map(grants.map(({ user }) => [user, credentialOf(user)]));
    const lines = [`listener ${port} 127.0.0.1`, `allow_anonymous ${grants.length === 0}`];
    // Started by root it would become the user `mosquitto`, who cannot read its files here
    if (process.getuid?.() === 0) lines.push("user root");
    if (grants.length > 0) lines.push(...writeAccess(cwd, grants, credentials));
    const config = join(cwd, "mosquitto.conf");
    writeFileSync(config, `${lines.join("\n")}\n`, { mode: 0o600 });
    const command = mosquittoPath();
    const broker = await BrokerProcess.start({ command, args: ["-c", config], cwd, ports: [port] });
    return { port, pid: broker.pid, credentials, ending: () => broker.ending(), stop: () => broker.stop() };
  },
};

/** "mosquitto version 2.0.11", or undefined where there is none. */
export function mosquittoVersion(): string | undefined {
  try {
    execFileSync(mosquittoPath(), ["-h"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return undefined;
  } catch (error) {
    // It tells its version, and ends with 3
    return /mosquitto version (\S+)/.exec((error as { stdout?: string }).stdout ?? "")?.[1];
  }
}

/** Debian keeps it where only root looks. */
function mosquittoPath(): string {
  const path = `${process.env["PATH"]}:/usr/sbin:/usr/local/sbin`;
  return execFileSync("sh", ["-c", "command -v mosquitto"], {
    encoding: "utf8",
    env: { PATH: path },
    stdio: ["ignore", "pipe", "ignore"],
  }).trim();
}

function credentialOf(user: string): Credential {
  return { username: user, password: randomBytes(12).toString("hex") };
}

function writeAccess(
  cwd: string,
  grants: readonly Grant[],
  credentials: ReadonlyMap<string, Credential>,
): string[] {
  const passwords = join(cwd, "passwords");
  const acl = join(cwd, "acl");
  const pairs = [...credentials.values()].map(({ username, password }) => `${username}:${password}`);
  writeFileSync(passwords, `${pairs.join("\n")}\n`, { mode: 0o600 });
  execFileSync("mosquitto_passwd", ["-U", passwords]);
  const rules = grants.map(({ user, allow }) => [`user ${user}`, ...allow.map(ruleOf)].join("\n"));
  writeFileSync(acl, `${rules.join("\n\n")}\n`, { mode: 0o600 });
  return [`password_file ${passwords}`, `acl_file ${acl}`];
}

function ruleOf({ actions, topic }: Allowance): string {
  return `topic ${ACCESS[actions.length === 2 ? "both" : actions[0]!]} ${topic}`;
}
