import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createWeirClient, type PolicyEntry } from "@weir/api";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runWeir, WeirProcess } from "../../testing/weir-process.ts";
import type { BenchResult } from "../bench/bench-report.ts";

const ADMIN_TOKEN = "an-admin-token-of-more-than-32-characters";
const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
let broker: WeirProcess;
let mqttUrl = "";
let httpUrl = "";

beforeAll(async () => {
  broker = new WeirProcess(["serve", "--mqtt-port", "0", "--http-port", "0", "--data", folder], {
    WEIR_ADMIN_TOKEN: ADMIN_TOKEN,
  });
  [, mqttUrl = ""] = await broker.until(/(mqtt:\/\/127\.0\.0\.1:\d+)/);
  [, httpUrl = ""] = await broker.until(/REST +(http:\S+)\/api\/v1/);
});

afterAll(async () => {
  await broker[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function keyFor(...acl: PolicyEntry[]): Promise<string> {
  const admin = createWeirClient({ url: httpUrl, token: ADMIN_TOKEN });
  return (await admin.tokens.create({ acl, ttl: 600 })).key;
}

const bothWays: PolicyEntry = { actions: ["publish", "subscribe"], topic: "bench/#" };

function runBench(key: string, args: readonly string[]): ReturnType<typeof runWeir> {
  return runWeir(["bench", "--seconds", "1", "--clients", "6", ...args], { WEIR_TOKEN: key });
}

describe.concurrent("weir bench", () => {
  test.each([
    ["pairs", "0", 1],
    ["pairs", "1", 1],
    ["pairs", "2", 1],
    ["fan-in", "1", 1],
    ["fan-out", "2", 5],
  ])("%s at QoS %s: every message arrives once, exit code 0", async (layout, qos, receivers) => {
    const args = ["--url", mqttUrl, "--layout", layout, "--qos", qos, "--rate", "300", "--json"];
    const { exitCode, stdout, stderr } = await runBench(await keyFor(bothWays), args);
    expect(exitCode, stderr).toBe(0);
    const result = JSON.parse(stdout) as BenchResult;
    expect(result).toMatchObject({ lost: 0, duplicates: 0, refused: 0, connectionsLost: 0 });
    expect(result.sent).toBeGreaterThan(0);
    expect(result.delivered).toBe(result.sent * receivers);
  });

  test("--rate 0 over WebSocket, MQTT 3.1.1: as fast as it goes, and nothing lost", async () => {
    const args = ["--url", `${httpUrl}/mqtt`, "--rate", "0", "-V", "311", "--qos", "1", "--json"];
    const { exitCode, stdout, stderr } = await runBench(await keyFor(bothWays), args);
    expect(exitCode, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ lost: 0 });
  });

  test("prints a histogram", async () => {
    const { stdout } = await runBench(await keyFor(bothWays), ["--url", mqttUrl, "--rate", "200"]);
    expect(stdout).toMatch(/^delivered +[\d,]+\/s\nlost +0 of [\d,]+\nlatency +p50 /);
    expect(stdout).toMatch(/^up to [\d.]+ (µs|ms) +[\d.]+ % +[\d,]+ [█▏▎▍▌▋▊▉]+$/m);
  });

  test("messages that do not arrive are counted: exit code 1", async () => {
    const key = await keyFor({ actions: ["subscribe"], topic: "bench/#" });
    const { exitCode, stdout, stderr } = await runBench(key, ["--url", mqttUrl, "--qos", "1", "--json"]);
    expect(exitCode).toBe(1);
    const { sent, lost, refused } = JSON.parse(stdout) as BenchResult;
    expect([lost, refused]).toEqual([sent, sent]);
    expect(stderr).toMatch(/[\d,]+ of [\d,]+ messages did not arrive; [\d,]+ were refused\./);
  });

  test("a subscription outside the token's ACL: says so, with the remedy, exit code 1", async () => {
    const { exitCode, stderr } = await runBench(await keyFor(bothWays), [
      "--url",
      mqttUrl,
      "--topic",
      "elsewhere",
    ]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /SUBSCRIBE elsewhere\/\w+\/0 was refused: Not authorized \(0x87\)\. Give --topic /,
    );
  });

  test("a wrong token: the broker's reason, exit code 1", async () => {
    const { exitCode, stderr } = await runBench("weir_wrong", ["--url", mqttUrl]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("Connection error: Bad user name or password");
  });

  test("nobody listens: says where, exit code 1", async () => {
    const { exitCode, stderr } = await runBench("any", ["--url", "mqtt://127.0.0.1:1"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("nothing listens at mqtt://127.0.0.1:1");
  });

  test("Ctrl-C ends it early, with what there is", async () => {
    await using bench = new WeirProcess(["bench", "--url", mqttUrl, "--seconds", "600"], {
      WEIR_TOKEN: await keyFor(bothWays),
    });
    await bench.until(/ s of 600: /);
    bench.signal("SIGINT");
    expect(await bench.ended).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("lost") as string,
    });
  });

  test.each([
    [["--size", "19"], "19"],
    [["--clients", "1"], "1"],
    [["--topic", "a/#"], "a/#"],
    [["--layout", "star"], "star"],
  ])("%j is wrong use: exit code 2", async (args, named) => {
    const { exitCode, stderr } = await runWeir(["bench", ...args]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(named);
  });
});
