import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** What the parts of an installation show each other, and must survive a restart. */
export interface Secrets {
  readonly adminToken: string;
  /** Keys of the services' access tokens, by the service's name. */
  readonly serviceKeys: Readonly<Record<string, string>>;
  /** Passwords of the demonstration's accounts, by e-mail address. */
  readonly demoPasswords: Readonly<Record<string, string>>;
  /** Device ids of the recorded vehicles, by their names in the recording. */
  readonly deviceIds: Readonly<Record<string, string>>;
}

/** Reads the file, or begins with an admin token only. */
export function readSecrets(path: string): Secrets {
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as Secrets;
  return { adminToken: newToken(), serviceKeys: {}, demoPasswords: {}, deviceIds: {} };
}

/** As JSON, that only its owner may read. */
export function writeSecrets(path: string, secrets: Secrets | Secrets["deviceIds"]): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const next = `${path}.new`;
  writeFileSync(next, `${JSON.stringify(secrets, undefined, 2)}\n`, { mode: 0o600 });
  chmodSync(next, 0o600);
  renameSync(next, path);
}

/** 256 random bits. */
export function newToken(): string {
  return randomBytes(32).toString("base64url");
}
