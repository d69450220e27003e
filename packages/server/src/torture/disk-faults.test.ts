import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectedClient, type MqttTestClient, openClient } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildDiskShim, FaultyDisk, missingForDiskShim } from "../../testing/torture/disk-shim.ts";
import { ServeProcess } from "../../testing/torture/serve-process.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "weir-disk-faults-")));
const reserveBytes = 256 * 1_048_576;
const persistent = { cleanStart: false, properties: { sessionExpiryInterval: 3_600 } } as const;
let shim: { readonly LD_PRELOAD: string };

beforeAll(async () => {
  if (missingForDiskShim === undefined) shim = await buildDiskShim(root);
});
afterAll(() => rmSync(root, { recursive: true }));

/** `weir serve` on a disk that fails when the test says so. */
class FaultyBroker implements AsyncDisposable {
  readonly disk: FaultyDisk;
  readonly #directory: string;
  #process: ServeProcess;
  port = 0;

  private constructor(name: string) {
    this.#directory = join(root, name);
    mkdirSync(this.#directory);
    this.disk = new FaultyDisk(join(this.#directory, "faults"));
    this.#process = this.#spawn();
  }

  static async start(name: string): Promise<FaultyBroker> {
    const broker = new FaultyBroker(name);
    await broker.#isUp();
    return broker;
  }

  get output(): string {
    return this.#process.output;
  }

  get ended(): Promise<string> {
    return this.#process.ended;
  }

  async restart(): Promise<void> {
    this.#process = this.#spawn();
    await this.#isUp();
  }

  kill(): Promise<string> {
    return this.#process.end("SIGKILL");
  }

  async ready(): Promise<{ status: number; body: string }> {
    const answer = await fetch(`${this.#process.httpUrl}/readyz`);
    return { status: answer.status, body: await answer.text() };
  }

  async untilReady(status: number): Promise<void> {
    for (const endsAtMs = Date.now() + 15_000; (await this.ready()).status !== status; await sleep(20))
      if (Date.now() > endsAtMs) throw new Error(`waited for ${status} of /readyz\n${this.output}`);
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.#process.httpUrl}/metrics`)).text();
    const line = text.split("\n").find((one) => one.startsWith(`${name} `));
    return Number(line?.slice(name.length + 1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #spawn(): ServeProcess {
    const directory = this.#directory;
    const watched = { DISK_WATCHED: join(directory, "data"), DISK_FAULTS: this.disk.path };
    const cached = { NODE_COMPILE_CACHE: join(root, "compiled") };
    return new ServeProcess({ directory, environment: { ...shim, ...watched, ...cached } });
  }

  async #isUp(): Promise<void> {
    const port = await this.#process.port;
    if (port === undefined) throw new Error(`the broker did not start:\n${this.output}`);
    this.port = port;
  }
}

/** Subscribed to what is stored for it, and gone. */
async function leaveAway(port: number): Promise<void> {
  const away = await connectedClient(port, { clientId: "away", ...persistent });
  await away.subscribe({ topicFilter: "q/#", qos: 2 });
  await away.disconnect();
}

/** What was stored for it: until the marker, which is published when the disk has room. */
async function drained(port: number): Promise<string[]> {
  const publisher = await connectedClient(port);
  await publisher.publish("q/marker", "marker", { qos: 1 });
  const away = await connectedClient(port, { clientId: "away", ...persistent });
  const payloads: string[] = [];
  while (payloads.at(-1) !== "marker")
    payloads.push(Buffer.from((await away.receiveMessage()).payload).toString());
  await Promise.all([publisher.disconnect(), away.disconnect()]);
  return payloads.slice(0, -1);
}

async function connack(port: number, options: Parameters<typeof openClient>[1]): Promise<number> {
  const client = await openClient(port, options);
  return (await client.connect()).reasonCode;
}

const title = (text: string): string =>
  missingForDiskShim === undefined ? text : `${text} (skipped: ${missingForDiskShim})`;

describe.skipIf(missingForDiskShim !== undefined)(title("a disk with less free than the reserve"), () => {
  test("durable messages and new sessions are refused, the rest goes on, and room ends it", async () => {
    await using broker = await FaultyBroker.start("full");
    const { port, disk } = broker;
    await leaveAway(port);
    const [publisher, old] = await Promise.all([
      connectedClient(port),
      connectedClient(port, { version: 4 }),
    ]);
    const known = await connectedClient(port, { clientId: "known", ...persistent });
    await known.subscribe({ topicFilter: "known", qos: 1 });
    expect((await publisher.publish("q/1", "before", { qos: 1 }))?.reasonCode).toBe(0);

    disk.set({ freeBytes: reserveBytes - 1 });
    await broker.untilReady(503);
    expect((await broker.ready()).body).toContain("the disk is full");
    expect(await broker.metric("weir_disk_full")).toBe(1);
    expect((await publisher.publish("q/1", "refused 1", { qos: 1 }))?.reasonCode).toBe(0x97);
    expect((await publisher.publish("q/1", "refused 2", { qos: 2 }))?.reasonCode).toBe(0x97);
    expect((await publisher.publish("q/1", "refused 3", { qos: 1, retain: true }))?.reasonCode).toBe(0x97);
    expect(await connack(port, { clientId: "new", ...persistent })).toBe(0x97);
    expect(await connack(port, { clientId: "new", version: 4, cleanStart: false })).toBe(3);
    expect((await known.subscribe({ topicFilter: "more", qos: 1 })).reasonCodes).toEqual([0x97]);
    expect((await known.subscribe({ topicFilter: "known", qos: 2 })).reasonCodes).toEqual([2]);
    expect((await known.unsubscribe("known")).reasonCodes).toEqual([0]);
    expect(await broker.metric('weir_limit_reached_total{limit="limits.diskReserveBytes"}')).toBe(6);
    await goesOn(port);
    await isReadNoFurther(old);

    disk.set({});
    await broker.untilReady(200);
    expect(await broker.metric("weir_disk_full")).toBe(0);
    expect((await publisher.publish("q/1", "after", { qos: 2 }))?.reasonCode).toBe(0);
    expect(await connack(port, { clientId: "new", ...persistent })).toBe(0);
    expect(await drained(port)).toEqual(["before", "after"]);
  });

  /** QoS 0, QoS 1 that nobody stores, sessions that end with their connection. */
  async function goesOn(port: number): Promise<void> {
    const live = await connectedClient(port);
    expect((await live.subscribe({ topicFilter: "live", qos: 1 })).reasonCodes).toEqual([1]);
    await live.publish("live", "zero");
    expect((await live.publish("live", "one", { qos: 1 }))?.reasonCode).toBe(0);
    expect(Buffer.from((await live.receiveMessage()).payload).toString()).toBe("zero");
    expect(Buffer.from((await live.receiveMessage()).payload).toString()).toBe("one");
    await live.disconnect();
  }

  /** 3.1.1 has no word for it: no PUBACK, and no answer to what comes behind. */
  async function isReadNoFurther(old: MqttTestClient): Promise<void> {
    old.send(old.publishPacket("q/1", "refused 4", { qos: 1 }), { type: "pingreq" });
    const first = await Promise.race([old.receive(), sleep(300, undefined)]);
    expect([undefined, "pingresp"]).toContain(first?.type); // what was read with it is still handled
    old.send({ type: "pingreq" });
    expect(await Promise.race([old.receive(), sleep(300, undefined)])).toBeUndefined();
    await old.cut();
  }

  test("writes that the system refuses for want of space are taken back; who is connected stays, room ends it", async () => {
    await using broker = await FaultyBroker.start("no-space");
    const { port, disk } = broker;
    await leaveAway(port);
    const publisher = await connectedClient(port);
    const known = await connectedClient(port, { clientId: "known", ...persistent });
    await known.subscribe({ topicFilter: "q/#", qos: 1 });
    expect((await publisher.publish("q/1", "before", { qos: 1 }))?.reasonCode).toBe(0);
    await known.receiveMessage();

    disk.set({ freeBytes: 0, write: "ENOSPC" });
    expect((await publisher.publish("q/1", "refused", { qos: 1 }))?.reasonCode).toBe(0x97);
    await broker.untilReady(503);
    await sleep(1_200); // cursors are saved once a second
    await publisher.publish("q/1", "zero");
    expect(Buffer.from((await known.receiveMessage()).payload).toString()).toBe("zero");

    disk.set({});
    await broker.untilReady(200);
    expect((await publisher.publish("q/1", "after", { qos: 1 }))?.reasonCode).toBe(0);
    expect(Buffer.from((await known.receiveMessage()).payload).toString()).toBe("after");
    await broker.kill();
    await broker.restart();
    expect(await drained(broker.port)).toEqual(["before", "after"]);
  });
});

describe.skipIf(missingForDiskShim !== undefined)(title("a disk that fails"), () => {
  test.each([
    [{ write: "EIO" }, "EIO"],
    [{ flush: "EIO" }, "EIO"],
    [{ flush: "ENOSPC" }, "ENOSPC"],
  ] as const)(
    "%j: no PUBACK, exit code 1 with the reason, and the next start has what was acknowledged",
    async (faults, named) => {
      await using broker = await FaultyBroker.start(JSON.stringify(faults).replaceAll(/\W/g, "-"));
      const { port, disk } = broker;
      await leaveAway(port);
      const publisher = await connectedClient(port);
      for (const text of ["one", "two"])
        expect((await publisher.publish("q/1", text, { qos: 2 }))?.reasonCode).toBe(0);
      disk.set(faults);
      publisher.send(publisher.publishPacket("q/1", "three", { qos: 1 }));
      await publisher.closed;
      await expect(publisher.receive()).rejects.toThrow("the connection has ended");
      expect(await broker.ended).toBe("1");
      expect(broker.output).toContain("nothing more is acknowledged");
      expect(broker.output).toContain(named);
      disk.set({});
      await broker.restart();
      const found = await drained(broker.port);
      expect(found.slice(0, 2)).toEqual(["one", "two"]);
      expect(["", "three"]).toContain(found.slice(2).join());
    },
  );
});
