import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, connectAsync, type MqttClient } from "mqtt";
import { afterAll, describe, expect, test } from "vitest";
import { ADMIN_TOKEN, serveData, type ServedBroker } from "../../testing/served-broker.ts";
import { runWeir } from "../../testing/weir-process.ts";

const folder = await fs.mkdtemp(join(tmpdir(), "weir-replay-"));
afterAll(() => fs.rm(folder, { recursive: true }));

const base = { protocolVersion: 5, username: ADMIN_TOKEN, reconnectPeriod: 0 } as const;
const reader = {
  ...base,
  clientId: "reader",
  clean: false,
  properties: { sessionExpiryInterval: 3_600, receiveMaximum: 20 },
} as const;

async function putHistory({ environment }: ServedBroker): Promise<void> {
  const answer = await fetch(`${environment.WEIR_URL}/api/v1/histories/data`, {
    method: "PUT",
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    body: JSON.stringify({ filter: "data/#", maxAge: 3_600 }),
  });
  expect(answer.status).toBe(201);
}

/** Not more at a time than the broker's Receive Maximum allows. */
async function publishAll(client: MqttClient, from: number, to: number): Promise<void> {
  const numbers = Array.from({ length: Math.min(500, to - from) }, (_, index) => from + index);
  await Promise.all(numbers.map((number) => client.publishAsync("data/a", String(number), { qos: 1 })));
  if (from + numbers.length < to) await publishAll(client, from + numbers.length, to);
}

/** Connected after its listener is there: what waits for the session comes with CONNACK. */
async function collect(
  broker: ServedBroker,
  isEnough: (texts: readonly string[]) => boolean,
): Promise<[string[], MqttClient]> {
  const texts: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const client = connect(broker.mqttUrl, reader);
  client.on("error", () => undefined);
  client.on("message", (_topic, payload) => {
    texts.push(String(payload));
    if (!isEnough(texts)) return;
    client.handleMessage = () => {}; // nothing more is acknowledged, so that no more than a window comes
    resolve();
  });
  if (!(await isPresent(client)))
    await client.subscribeAsync("data/#", { qos: 1, properties: { userProperties: { since: "-1h" } } });
  await promise;
  return [texts, client];
}

function isPresent(client: MqttClient): Promise<boolean> {
  return new Promise((resolve) => client.once("connect", ({ sessionPresent }) => resolve(sessionPresent)));
}

describe("weir serve replays", () => {
  test("on after kill -9 in the middle, to a persistent session, and then what came meanwhile", async () => {
    const data = join(folder, "killed");
    const count = 3_000;
    const first = await serveData(data);
    await using _ = first.process;
    await putHistory(first);
    const publisher = await connectAsync(first.mqttUrl, base);
    await publishAll(publisher, 0, count);
    const [before, client] = await collect(first, (texts) => texts.length >= 1_000);
    await publishAll(publisher, count, count + 10);
    client.end(true);
    publisher.on("error", () => undefined);
    first.process.signal("SIGKILL");
    await first.process.ended;
    const second = await serveData(data);
    await using __ = second.process;
    const [after, again] = await collect(second, (texts) => texts.includes(String(count + 9)));
    again.end(true);
    const all = [...before, ...after].map(Number);
    expect([...new Set(all)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: count + 10 }, (_, number) => number),
    );
    // QoS 1: what was not acknowledged, or not saved within the last second, comes again
    expect(after.map(Number)).toEqual(after.map(Number).toSorted((a, b) => a - b));
    publisher.end(true);
  });

  test("to weir sub --since, with positions", async () => {
    const broker = await serveData(join(folder, "sub"));
    await using _ = broker.process;
    await putHistory(broker);
    const weir = async (...args: string[]): Promise<string> => {
      const { exitCode, stdout, stderr } = await runWeir(args);
      expect(exitCode, stderr).toBe(0);
      return stdout + stderr;
    };
    const url = new URL(broker.mqttUrl);
    const target = ["-h", url.hostname, "-p", url.port, "-u", ADMIN_TOKEN];
    const publisher = await connectAsync(broker.mqttUrl, base);
    await publishAll(publisher, 1, 4);
    await publisher.endAsync();
    const told = await weir(
      "sub",
      ...target,
      "-t",
      "data/#",
      "--since",
      "-1h",
      "--position",
      "-C",
      "3",
      "-F",
      "%p %P",
    );
    const lines = told.split("\n").filter((line) => / position:p1\./.test(line));
    expect(lines.map((line) => line.slice(0, 1))).toEqual(["1", "2", "3"]);
    expect(told).toContain("there was more once"); // the history is younger than an hour
    const position = / position:(\S+)/.exec(lines[1] ?? "")?.[1] ?? "";
    expect(await weir("sub", ...target, "-t", "data/#", "--since", position, "-C", "1")).toBe("3\n");
    const refused = await runWeir(["sub", ...target, "-t", "data/#", "--since", "yesterday", "-C", "1"]);
    expect(refused).toMatchObject({ exitCode: 1 });
    expect(refused.stderr).toContain("since must be an RFC 3339 time");
  });
});
