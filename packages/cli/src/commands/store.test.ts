import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ADMIN_TOKEN, serveData, type ServedBroker } from "../../testing/served-broker.ts";
import { runWeir, type WeirResult } from "../../testing/weir-process.ts";

const folder = await fs.mkdtemp(join(tmpdir(), "weir-store-"));
afterAll(() => fs.rm(folder, { recursive: true }));
const path = (...names: string[]): string => join(folder, ...names);

const session = {
  protocolVersion: 5,
  username: ADMIN_TOKEN,
  clientId: "storage",
  clean: false,
  properties: { sessionExpiryInterval: 3_600 },
  reconnectPeriod: 0,
} as const;

/** Makes a persistent session that is away, and publishes `count` messages for it. */
async function queue(broker: ServedBroker, count: number, from = 0): Promise<void> {
  const away = await connectAsync(broker.mqttUrl, session);
  await away.subscribeAsync("data/#", { qos: 1 });
  await away.endAsync();
  const publisher = await connectAsync(broker.mqttUrl, { protocolVersion: 5, username: ADMIN_TOKEN });
  const numbers = Array.from({ length: count }, (_unused, index) => from + index);
  await Promise.all(numbers.map((number) => publisher.publishAsync("data/a", String(number), { qos: 1 })));
  await publisher.endAsync();
}

/** What waits for the session, up to the number of messages that there have to be. */
async function drain(broker: ServedBroker, count: number): Promise<string[]> {
  const result = await runWeir(
    [
      "sub",
      "-L",
      broker.mqttUrl,
      "-i",
      "storage",
      "-c",
      "-x",
      "3600",
      "-t",
      "data/#",
      "-q",
      "1",
      "-W",
      "15",
    ].concat("-C", String(count)),
    { WEIR_TOKEN: ADMIN_TOKEN },
  );
  return result.stdout.trimEnd().split("\n");
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_unused, index) => String(index));

async function stopped(broker: ServedBroker): Promise<void> {
  broker.process.signal("SIGTERM");
  expect((await broker.process.ended).exitCode).toBe(0);
}

function json(result: WeirResult): Record<string, unknown> {
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

describe("weir store beside a broker that runs", () => {
  const data = path("running");
  let broker: ServedBroker;
  const weir = (...args: string[]): Promise<WeirResult> => runWeir(["store", ...args], broker.environment);

  beforeAll(async () => {
    broker = await serveData(data);
    await queue(broker, 100);
  });
  afterAll(() => broker.process[Symbol.asyncDispose]());

  test("check reads everything, says that it is sound and who has it", async () => {
    const { exitCode, stdout, stderr } = await weir("check", "--data", data);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(/log of default +1 +[\d.]+ KiB +\d{3} records +0\n/);
    expect(stdout).toMatch(/control store +1 +\d+ entries +0\n/);
    expect(stdout).toContain(`(in use by process ${broker.pid})`);
    expect(stdout).toContain("Everything is sound.");
  });

  test("check --json and stats --json are one object each", async () => {
    expect(json(await weir("check", "--data", data, "--json"))).toMatchObject({
      directory: join(data, "store"),
      usedBy: broker.pid,
      format: 1,
      isSound: true,
      findings: [],
      control: { damaged: 0 },
    });
    expect(json(await weir("stats", "--data", data, "--json"))).toMatchObject({
      usedBy: broker.pid,
      tenants: [{ tenant: "default", segments: 1 }],
      damagedFiles: 0,
      freeBytes: expect.any(Number) as number,
    });
    const { stdout } = await weir("stats", "--data", data);
    expect(stdout).toMatch(/log of default +1 +[\d.]+ KiB\ncontrol store +1 +[\d.]+ KiB\n/);
  });

  test("no answer tells the secret that the log's checksums start from", async () => {
    const format = await fs.readFile(join(data, "store", "format"), "utf8");
    const [, secret = ""] = /"secret":"([0-9a-f]{32})"/.exec(format) ?? [];
    expect(secret).toHaveLength(32);
    for (const name of ["check", "stats"])
      expect((await weir(name, "--data", data, "--json")).stdout).not.toContain(secret);
  });

  test("backup is made by the broker, below backups of its data directory, and is sound", async () => {
    const { exitCode, stdout, stderr } = await weir("backup", "--data", data);
    expect(exitCode, stderr).toBe(0);
    const directory = stdout.trim();
    expect(directory.startsWith(join(data, "backups/"))).toBe(true);
    expect(stderr).toMatch(
      new RegExp(`complete: [\\d.]+ KiB, made by the broker \\(process ${broker.pid}\\)`),
    );
    expect(json(await weir("check", directory, "--json"))).toMatchObject({ isSound: true, usedBy: null });
    expect((await fs.stat(directory)).mode & 0o077).toBe(0);
  });

  test("backup TARGET moves what the broker has made there", async () => {
    const before = await fs.readdir(join(data, "backups")).catch(() => []);
    const target = path("elsewhere", "monday");
    const result = await weir("backup", target, "--data", data, "--json");
    expect(json(result)).toMatchObject({ directory: target, madeBy: broker.pid });
    expect(await fs.readdir(join(data, "backups"))).toEqual(before);
    expect((await weir("check", target)).exitCode).toBe(0);
    const again = await weir("backup", target, "--data", data);
    expect(again).toMatchObject({ exitCode: 1, stdout: "" });
    expect(again.stderr).toMatch(/elsewhere\/monday is not empty: name a new directory/);
  });

  test("backup without the admin's token file, WEIR_TOKEN or --token is wrong use", async () => {
    const { WEIR_URL } = broker.environment;
    const { exitCode, stderr } = await runWeir(["store", "backup", "--data", data], { WEIR_URL });
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/An access token is needed/);
  });

  test("backup says how to reach the broker when nothing listens, and never asks another broker", async () => {
    const nowhere = await weir("backup", "--data", data, "--url", "http://127.0.0.1:9");
    expect(nowhere.exitCode).toBe(1);
    expect(nowhere.stderr).toContain(`Process ${broker.pid} has the data directory`);
    expect(nowhere.stderr).toContain("--url");
    const other = await serveData(path("other"));
    await using _ = other.process;
    const wrong = await weir("backup", "--data", data, "--url", other.environment.WEIR_URL);
    expect(wrong.exitCode).toBe(1);
    expect(wrong.stderr).toMatch(/this broker has another store than the one that is meant/);
    await expect(fs.readdir(path("other", "backups"))).rejects.toThrow("ENOENT");
  });

  test("restore refuses a directory in use, as source and as target", async () => {
    const target = await weir("restore", data, "--data", path("new"));
    expect(target.exitCode).toBe(1);
    expect(target.stderr).toMatch(
      new RegExp(`is in use by process ${broker.pid}: take a backup of it first`),
    );
    const { stdout } = await weir("backup", "--data", data);
    const source = await weir("restore", stdout.trim(), "--data", data);
    expect(source.exitCode).toBe(1);
    expect(source.stderr).toMatch(new RegExp(`store is in use by process ${broker.pid}`));
  });

  test("POST /backups takes no path, needs the scope admin, and one is made at a time", async () => {
    const { WEIR_URL, WEIR_TOKEN } = broker.environment;
    const post = (body: unknown, token: string): Promise<Response> =>
      fetch(`${WEIR_URL}/api/v1/backups`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
      });
    const refused = await post({ target: "/tmp/anywhere" }, WEIR_TOKEN);
    expect([refused.status, await refused.json()]).toMatchObject([400, { detail: "target: is not known" }]);
    const made = await runWeir(
      ["token", "create", "--allow", "publish:a", "--scope", "messages", "--ttl", "1h", "--json"],
      broker.environment,
    );
    expect((await post({}, json(made)["key"] as string)).status).toBe(403);
    const answers = await Promise.all([post({}, WEIR_TOKEN), post({}, WEIR_TOKEN)]);
    expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(["202", "409"]);
    const accepted = answers.find(({ status }) => status === 202) as Response;
    const { id } = (await accepted.json()) as { id: string };
    const get = async (): Promise<{ state: string }> => {
      const headers = { authorization: `Bearer ${WEIR_TOKEN}` };
      const answer = await fetch(`${WEIR_URL}/api/v1/backups/${id}`, { headers });
      return (await answer.json()) as { state: string };
    };
    await expect.poll(get).toMatchObject({ id, state: "complete" });
  });
});

describe("weir store without a broker", () => {
  test("a backup that was restored has the sessions, what waited for them, and nothing from after it", async () => {
    const data = path("saved");
    const first = await serveData(data);
    await using _ = first.process;
    await queue(first, 200);
    const backup = await runWeir(["store", "backup", "--data", data], first.environment);
    expect(backup.exitCode, backup.stderr).toBe(0);
    await queue(first, 50, 200);
    await stopped(first);
    const restored = path("restored");
    const result = await runWeir(["store", "restore", backup.stdout.trim(), "--data", restored]);
    expect(result).toMatchObject({ exitCode: 0 });
    expect(result.stderr).toContain(`weir serve --data ${restored}`);
    const second = await serveData(restored);
    await using __ = second.process;
    expect(await drain(second, 200)).toEqual(numbers(200));
    await stopped(second);
    const again = await runWeir(["store", "restore", backup.stdout.trim(), "--data", restored]);
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toMatch(/holds a store already: name another data directory, or move that one away/);
  });

  test("backup of a stopped broker's data needs no token", async () => {
    const data = path("stopped");
    const broker = await serveData(data);
    await using _ = broker.process;
    await queue(broker, 20);
    await stopped(broker);
    const result = await runWeir(["store", "backup", path("cold"), "--data", data]);
    expect(result).toMatchObject({ exitCode: 0, stdout: `${path("cold")}\n` });
    expect(result.stderr).toMatch(/^The backup is complete: [\d.]+ KiB\.\n$/);
    expect((await runWeir(["store", "check", path("cold")])).exitCode).toBe(0);
    expect((await runWeir(["store", "restore", path("cold"), "--data", path("warm")])).exitCode).toBe(0);
    const warm = await serveData(path("warm"));
    await using __ = warm.process;
    expect(await drain(warm, 20)).toEqual(numbers(20));
  });

  test("check says what is damaged, where, and what to do; exit code 1", async () => {
    const data = path("damaged");
    const broker = await serveData(data);
    await using _ = broker.process;
    await queue(broker, 30);
    // A second batch says that the first was on the disk
    await queue(broker, 30, 30);
    await stopped(broker);
    const [tenant = ""] = await fs.readdir(join(data, "store", "log"));
    const names = await fs.readdir(join(data, "store", "log", tenant));
    const segment = join(data, "store", "log", tenant, names.find((name) => name.endsWith(".seg")) ?? "");
    await flipBit(segment, 500);
    await flipBit(join(data, "store", "format.copy"), 5);
    const result = await runWeir(["store", "check", "--data", data]);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toBe("Error: 2 places are damaged.\n");
    expect(result.stdout).toMatch(/Damaged: format, format\.copy\n {2}What: .*\n {2}To do: nothing is lost/);
    expect(result.stdout).toMatch(
      /Damaged: log\/\S+, bytes \d+ to \d+ \(\d+ bytes\)\n {2}What: {2}records? number \d+.* cannot be read\.\n {2}To do: Weir passes over it/,
    );
    const asJson = await runWeir(["store", "check", "--data", data, "--json"]);
    expect(asJson).toMatchObject({ exitCode: 1, stderr: "" });
    expect(json(asJson)["findings"]).toHaveLength(2);
    // And the broker starts all the same
    const again = await serveData(data);
    await using __ = again.process;
    await again.process.until(/the store is damaged here; what could not be read was set aside/);
  });

  test("what is no data directory is refused with the remedy", async () => {
    for (const name of ["check", "stats", "backup"]) {
      const result = await runWeir(["store", name, "--data", path("nothing")]);
      expect(result.exitCode).toBe(1);
      expect(result.stderr).toMatch(/nothing\/?\S* is no data directory of Weir: name one with --data DIR/);
      expect(result.stderr).not.toContain("    at ");
    }
    await expect(fs.stat(path("nothing"))).rejects.toThrow("ENOENT");
  });

  test("wrong use is 2, and every subcommand has --help with examples", async () => {
    const wrong = await Promise.all([runWeir(["store", "restore"]), runWeir(["store", "chek"])]);
    expect(wrong.map(({ exitCode }) => exitCode)).toEqual([2, 2]);
    const names = ["check", "stats", "backup", "restore"];
    const helps = await Promise.all(names.map((name) => runWeir(["store", name, "--help"])));
    for (const [index, { exitCode, stdout }] of helps.entries()) {
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(new RegExp(`Examples:\n {2}weir store ${names[index]}`));
    }
  });
});

async function flipBit(file: string, at: number): Promise<void> {
  const bytes = await fs.readFile(file);
  bytes[at]! ^= 1;
  await fs.writeFile(file, bytes);
}
