import { spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkoutPath } from "./checkout.mjs";
import { isNewEnough } from "./node-runtime.mjs";

/** With what runs TypeScript without a flag; both implementations of the question have to agree. */
const VERSIONS: readonly (readonly [version: string, isEnough: boolean])[] = [
  ["v18.20.8", false],
  ["v20.20.2", false],
  ["v22.0.0", false],
  ["v22.2.0", false],
  ["v22.9.0", false],
  ["v22.17.1", false],
  ["v22.18.0", true],
  ["v22.21.1", true],
  ["v23.5.0", false],
  ["v23.6.0", true],
  ["v23.11.1", true],
  ["v24.0.0", true],
  ["v26.3.0", true],
  ["v30.0.0", true],
];

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-bootstrap-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, text: string): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

function writeProgram(path: string, text: string): string {
  const file = write(path, text);
  chmodSync(file, 0o755);
  return file;
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = "/"): Promise<Ended> {
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => (output.stdout += String(chunk)));
  child.stderr.on("data", (chunk) => (output.stderr += String(chunk)));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, ...output }));
  });
}

test.each(VERSIONS)("isNewEnough(%s) is %s", (version, isEnough) => {
  expect(isNewEnough(version)).toBe(isEnough);
});

describe("bin/weir", () => {
  /** A checkout in which `node` only says how it was called, and `setup.mjs` "installs" a Node that does so too. */
  function plantedCheckout(version: string, { isInstalled }: { isInstalled: boolean }): NodeJS.ProcessEnv {
    cpSync(join(checkoutPath, "bin/weir"), join(folder, "checkout/bin/weir"));
    write("checkout/package-lock.json", "{}");
    if (isInstalled) write("checkout/node_modules/.weir-installed", "");
    const toolNode = join(folder, "checkout/.tools/node_modules/node-any/bin");
    const installing = `mkdir -p ${toolNode} && cp "$0" ${toolNode}/node; echo installed`;
    const running = `echo "run by $0"; shift 2; echo "args $*"; kill -TERM $$`;
    const script = `case "$1" in --version) echo ${version};; */setup.mjs) ${installing};; *) ${running};; esac`;
    const node = writeProgram("path/node", `#!/bin/sh\n${script}\n`);
    return { PATH: `${dirname(node)}:/usr/bin:/bin` };
  }
  const command = (): string => join(folder, "checkout/bin/weir");

  test.each(VERSIONS)("with %s on PATH takes it: %s", async (version, isEnough) => {
    const env = plantedCheckout(version, { isInstalled: true });
    const { stdout, stderr } = await run(command(), ["sub"], env);
    expect(stderr.includes("installed")).toBe(!isEnough);
    expect(stdout).toContain(isEnough ? `run by ${folder}/path/node` : `run by ${folder}/checkout/.tools/`);
  });

  test("installs in a fresh clone, and keeps what it says about that out of stdout", async () => {
    const env = plantedCheckout("v24.0.0", { isInstalled: false });
    const { stdout, stderr } = await run(command(), ["sub", "-t", "a b"], env);
    expect(stderr).toContain("installed");
    expect(stdout).toMatch(/^run by .*\nargs .*main\.ts sub -t a b\n$/);
  });

  test("is replaced by Node: a signal that ends the broker ends the command", async () => {
    const env = plantedCheckout("v24.0.0", { isInstalled: true });
    expect(await run(command(), ["serve"], env)).toMatchObject({ code: null, signal: "SIGTERM" });
  });

  test("works through symbolic links, relative ones too, from any folder", async () => {
    const env = plantedCheckout("v24.0.0", { isInstalled: true });
    mkdirSync(join(folder, "home/bin"), { recursive: true });
    symlinkSync("../../checkout/bin/weir", join(folder, "home/bin/weir-here"));
    symlinkSync(join(folder, "home/bin/weir-here"), join(folder, "home/weir"));
    const { stdout } = await run("./weir", ["--help"], env, join(folder, "home"));
    expect(stdout).toMatch(/^args .*/m);
    expect(stdout).toContain(` ${folder}/checkout/packages/cli/src/main.ts --help`);
  });

  test("says what to do where there is no node at all", async () => {
    plantedCheckout("v24.0.0", { isInstalled: false });
    const tools = join(folder, "tools");
    mkdirSync(tools);
    for (const tool of ["dirname", "readlink", "sh"]) symlinkSync(`/usr/bin/${tool}`, join(tools, tool));
    const { code, stderr } = await run(command(), [], { PATH: tools });
    expect(code).toBe(1);
    expect(stderr).toContain("no node on PATH");
  });
});

describe("withInstallLock()", () => {
  const PROCESSES = 6;

  /** Writes down when it enters and leaves, with time in between for others to get in. */
  const worker = `
    import { appendFileSync } from "node:fs";
    import { withInstallLock } from "./install-lock.mjs";
    import { ProgressLine } from "./progress-line.mjs";
    await withInstallLock(new ProgressLine(), async () => {
      appendFileSync(process.argv[2], "in ");
      await new Promise((resolve) => setTimeout(resolve, 30));
      appendFileSync(process.argv[2], "out ");
    });`;

  async function runWorkers(): Promise<string> {
    for (const file of globSync("*.mjs", { cwd: join(checkoutPath, "scripts") })) {
      cpSync(join(checkoutPath, "scripts", file), join(folder, "scripts", file));
    }
    const script = write("scripts/worker.mjs", worker);
    const log = write("log", "");
    const workers = Array.from({ length: PROCESSES }, () => run(process.execPath, [script, log]));
    for (const { code, stderr } of await Promise.all(workers)) expect(code, stderr).toBe(0);
    return readFileSync(log, "utf8");
  }

  test("lets one process in at a time", async () => {
    expect(await runWorkers()).toBe("in out ".repeat(PROCESSES));
  });

  test("takes over from a process that died, once", async () => {
    const dead = await run(process.execPath, ["-p", "process.pid"]);
    write(".tools/install.lock", `${dead.stdout.trim()} 1 abc`);
    expect(await runWorkers()).toBe("in out ".repeat(PROCESSES));
  });
});
