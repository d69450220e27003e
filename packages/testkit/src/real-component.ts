import { spawnSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { describe, expect, test } from "vitest";

/** A program of somebody else that tests run Weir against. */
export type ComponentName =
  | "chromium"
  | "haproxy"
  | "mosquitto"
  | "mosquitto_pub"
  | "mosquitto_rr"
  | "mosquitto_sub"
  | "paho"
  | "postgres";

interface Component {
  /** The names or absolute paths under which the program is found. */
  readonly programs: readonly string[];
  /** Arguments with which it has to succeed, where its being there is not enough. */
  readonly check?: readonly string[];
  readonly debianPackage: string;
}

const COMPONENTS: Readonly<Record<ComponentName, Component>> = {
  chromium: { programs: ["chromium", "chromium-browser", "google-chrome"], debianPackage: "chromium" },
  haproxy: { programs: ["haproxy"], debianPackage: "haproxy" },
  mosquitto: { programs: ["mosquitto"], debianPackage: "mosquitto" },
  mosquitto_pub: { programs: ["mosquitto_pub"], debianPackage: "mosquitto-clients" },
  mosquitto_rr: { programs: ["mosquitto_rr"], debianPackage: "mosquitto-clients" },
  mosquitto_sub: { programs: ["mosquitto_sub"], debianPackage: "mosquitto-clients" },
  // Debian's own Python has Debian's modules; another one that comes first in PATH has not.
  paho: {
    programs: ["/usr/bin/python3"],
    check: ["-c", "import paho.mqtt.client"],
    debianPackage: "python3-paho-mqtt",
  },
  // Debian keeps each version beside the others, and only its own wrappers in PATH.
  postgres: {
    programs: [
      "postgres",
      ...[18, 17, 16, 15, 14].map((version) => `/usr/lib/postgresql/${version}/bin/postgres`),
    ],
    debianPackage: "postgresql",
  },
};

/** Debian puts servers where a user's PATH does not look. */
const MORE_FOLDERS = [
  "/usr/sbin",
  "/usr/local/sbin",
  "/usr/local/bin",
  "/opt/homebrew/bin",
  "/opt/homebrew/sbin",
];

declare module "vitest" {
  interface TaskMeta {
    /** Why a test or a suite was skipped; `npm test` prints it. */
    skipReason?: string;
  }
}

/** The path of a program that this machine has, or undefined. */
export function findComponent(name: ComponentName): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter).filter(Boolean), ...MORE_FOLDERS];
  const { programs, check } = COMPONENTS[name];
  const candidates = programs.flatMap((program) =>
    isAbsolute(program) ? program : folders.map((folder) => join(folder, program)),
  );
  return candidates.find((path) => isProgram(path) && (check === undefined || succeeds(path, check)));
}

/**
 * A `describe` whose tests need a program of somebody else, and get its path.
 *
 * Where it is missing they are skipped, with a line that says how to get it; under CI they fail instead, because there
 * a skipped test would be a promise that nobody checks.
 *
 * @example
 * describeWith("mosquitto_sub", "mosquitto_sub against Weir", (mosquittoSub) => {
 *   test("receives what was published", async () => { await run(mosquittoSub, ["-t", "#"]); });
 * });
 */
export function describeWith(name: ComponentName, title: string, define: (path: string) => void): void {
  const path = findComponent(name);
  if (path !== undefined) {
    describe(title, () => define(path));
    return;
  }
  const skipReason = missing(name);
  if (isCi()) {
    describe(title, () => {
      test(`needs ${name}`, () => expect.fail(skipReason));
    });
    return;
  }
  // The tests are still defined, so that the totals count them; nothing in them runs, no hook either.
  describe(title, { skip: true, meta: { skipReason } }, () => define(`(${name} is missing)`));
}

function missing(name: ComponentName): string {
  const { debianPackage } = COMPONENTS[name];
  return `${name} is not on this machine. Get it with scripts/debian-packages.sh, or: apt-get install ${debianPackage}`;
}

function isCi(): boolean {
  return /^(1|true)$/i.test(process.env["CI"] ?? "");
}

function succeeds(path: string, args: readonly string[]): boolean {
  return spawnSync(path, args, { stdio: "ignore" }).status === 0;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
