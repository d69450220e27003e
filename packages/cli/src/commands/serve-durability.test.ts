import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { connect, connectAsync, type MqttClient } from "mqtt";
import { afterAll, describe, expect, test } from "vitest";
import { ADMIN_TOKEN, serveData, type ServedBroker } from "../../testing/served-broker.ts";
import { runWeir } from "../../testing/weir-process.ts";

const folder = await fs.mkdtemp(join(tmpdir(), "weir-durability-"));
afterAll(() => fs.rm(folder, { recursive: true }));

const serve = (data: string): ReturnType<typeof runWeir> =>
  runWeir(["serve", "--mqtt-port", "0", "--http-port", "0", "--data", data], {
    WEIR_ADMIN_TOKEN: ADMIN_TOKEN,
  });

const base = { protocolVersion: 5, username: ADMIN_TOKEN, reconnectPeriod: 0 } as const;
const storage = {
  ...base,
  clientId: "storage",
  clean: false,
  properties: { sessionExpiryInterval: 3_600 },
} as const;

/** Publishes without a pause until the connection ends, and tells what was acknowledged. */
class Publisher {
  readonly acknowledged: string[] = [];
  readonly ended: Promise<void>;
  readonly #client: MqttClient;

  constructor(client: MqttClient, name: string) {
    this.#client = client;
    this.ended = new Promise((resolve) => client.once("close", resolve));
    client.on("error", () => undefined);
    for (let lane = 0; lane < 20; lane++) void this.#publish(`${name}.${lane}`);
  }

  async #publish(lane: string): Promise<void> {
    for (let number = 0; this.#client.connected; number++) {
      const text = `${lane}.${number}`;
      try {
        await this.#client.publishAsync(`data/${lane}`, text, { qos: 1 });
        this.acknowledged.push(text);
      } catch {
        return;
      }
    }
  }
}

async function loaded(broker: ServedBroker, count: number): Promise<readonly Publisher[]> {
  const clients = await Promise.all(["a", "b", "c"].map(() => connectAsync(broker.mqttUrl, base)));
  const publishers = clients.map((client, index) => new Publisher(client, String(index)));
  const total = (): number => publishers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  while (total() < count) await sleep(10);
  return publishers;
}

async function awayOnceSubscribed(broker: ServedBroker): Promise<void> {
  const client = await connectAsync(broker.mqttUrl, storage);
  await client.subscribeAsync("data/#", { qos: 1 });
  await client.endAsync();
}

/** All that comes until the marker does, which is published last. */
async function drained(broker: ServedBroker): Promise<string[]> {
  const received: string[] = [];
  const marker = await connectAsync(broker.mqttUrl, base);
  await marker.publishAsync("data/marker", "marker", { qos: 1 });
  await marker.endAsync();
  const { promise, resolve } = Promise.withResolvers<void>();
  const client = connect(broker.mqttUrl, storage);
  client.once("connect", ({ sessionPresent }) => expect(sessionPresent).toBe(true));
  client.on("message", (_topic, payload) => {
    if (payload.toString() === "marker") resolve();
    else received.push(payload.toString());
  });
  await promise;
  await client.endAsync();
  return received;
}

/** Per lane, which is one publisher and one topic. */
function assertInOrder(received: readonly string[]): void {
  const latest = new Map<string, number>();
  for (const text of received) {
    const at = text.lastIndexOf(".");
    const number = Number(text.slice(at + 1));
    expect(number).toBeGreaterThan(latest.get(text.slice(0, at)) ?? -1);
    latest.set(text.slice(0, at), number);
  }
}

describe("weir serve and its data directory", () => {
  test.each([
    ["SIGTERM", 0],
    ["SIGKILL", null],
  ] as const)(
    "%s during load: everything with a PUBACK comes to the persistent session after the restart, in order",
    async (signal, exitCode) => {
      const data = join(folder, signal);
      const first = await serveData(data);
      await using _ = first.process;
      await awayOnceSubscribed(first);
      const publishers = await loaded(first, 1_000);
      first.process.signal(signal);
      expect((await first.process.ended).exitCode).toBe(exitCode);
      await Promise.all(publishers.map(({ ended }) => ended));
      const second = await serveData(data);
      await using __ = second.process;
      const received = await drained(second);
      const got = new Set(received);
      const lost = publishers.flatMap(({ acknowledged }) => acknowledged).filter((text) => !got.has(text));
      expect(lost).toEqual([]);
      assertInOrder(received);
    },
  );

  test("a backup during load holds everything with a PUBACK from before it, in order", async () => {
    const first = await serveData(join(folder, "backed-up"));
    await using _ = first.process;
    await awayOnceSubscribed(first);
    const publishers = await loaded(first, 500);
    const before = publishers.flatMap(({ acknowledged }) => acknowledged);
    const backup = join(folder, "backup");
    const data = ["--data", join(folder, "backed-up")];
    const taken = await runWeir(["store", "backup", backup, ...data], first.environment);
    expect(taken.exitCode, taken.stderr).toBe(0);
    first.process.signal("SIGKILL");
    await Promise.all(publishers.map(({ ended }) => ended));
    const restored = join(folder, "from-backup");
    expect((await runWeir(["store", "restore", backup, "--data", restored])).exitCode).toBe(0);
    const second = await serveData(restored);
    await using __ = second.process;
    const received = await drained(second);
    const got = new Set(received);
    expect(before.filter((text) => !got.has(text))).toEqual([]);
    assertInOrder(received);
  });

  test("a second start on it says which process has it, and exits with 1", async () => {
    const data = join(folder, "used");
    const broker = await serveData(data);
    await using _ = broker.process;
    const { exitCode, stderr } = await serve(data);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`the data directory is in use by process ${broker.pid}`);
    expect(stderr).toContain("stop that process, or use another directory");
    expect(stderr).not.toContain("    at ");
  });

  test("data of a newer version is refused with the remedy, and left as it is", async () => {
    const data = join(folder, "newer");
    const text = JSON.stringify({ format: 2, epoch: "0123456789abcdef", secret: "00".repeat(16) });
    const content = `${text}\n${crc32(text).toString(16).padStart(8, "0")}\n`;
    const store = join(data, "store");
    await fs.mkdir(store, { recursive: true });
    for (const name of ["format", "format.copy"]) await fs.writeFile(join(store, name), content);
    const refusal =
      /was written by a newer version of Weir \(format 2; this one knows 1\): start that version, or/;
    const { exitCode, stderr } = await serve(data);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(refusal);
    expect(stderr).not.toContain("    at ");
    expect((await fs.readdir(store)).toSorted()).toEqual(["format", "format.copy"]);
    const checked = await runWeir(["store", "check", "--data", data]);
    expect(checked.exitCode).toBe(1);
    expect(checked.stderr).toMatch(refusal);
  });
});
