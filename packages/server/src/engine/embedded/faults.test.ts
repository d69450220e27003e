import { spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SystemClock } from "../../clock/system-clock.ts";
import { openLog, smallLimits } from "../../../testing/open-log.ts";
import { randomFrom, SimulatedDisk } from "../../../testing/simulated-disk.ts";
import { collect, record, textOf, until } from "../contract/engine-under-contract.ts";
import { type EmbeddedEngine, type EmbeddedEngineOptions, openEmbeddedEngine } from "./embedded-engine.ts";
import type { EmbeddedLog } from "./log/embedded-log.ts";

const appender = fileURLToPath(new URL("../../../testing/append-until-killed.ts", import.meta.url));
const clock = new SystemClock();
const tenant = "default";
const errors: string[] = [];
const note = (fields: object, text: string): void => void errors.push(`${text} ${JSON.stringify(fields)}`);
const logger = { debug() {}, info() {}, warn() {}, error: note };
let root: string;
beforeAll(async () => {
  root = await fs.mkdtemp(join(tmpdir(), "weir-faults-"));
});
afterAll(async () => {
  clock.close();
  await fs.rm(root, { recursive: true, force: true });
});

async function texts(log: EmbeddedLog): Promise<string[]> {
  return (await collect(log.read(tenant, {}))).flat().map(textOf);
}

async function filledLog(disk: SimulatedDisk, count: number): Promise<EmbeddedLog> {
  const { log } = await openLog(disk, clock, { segmentBytes: 1_000_000 });
  for (let index = 1; index <= count; index++) await log.append(tenant, record("t", `message ${index}`));
  return log;
}

function onlyPath(disk: SimulatedDisk, extension: string): string {
  const paths = [...disk.content.keys()].filter((path) => path.endsWith(extension));
  expect(paths).toHaveLength(1);
  return paths[0]!;
}

describe("a torn or flipped tail of the log", () => {
  test("cut at every byte of the last records: the whole ones before are there, and the log goes on", async () => {
    const disk = new SimulatedDisk();
    await filledLog(disk, 12);
    const path = onlyPath(disk, ".seg");
    const full = disk.content.get(path)!;
    const messages = Array.from({ length: 12 }, (_, index) => `message ${index + 1}`);
    let whole = 12;
    for (let length = full.length; length > full.length - 4 * 80; length--) {
      const { log } = await openLog(new SimulatedDisk(new Map([[path, full.subarray(0, length)]])), clock);
      const found = await texts(log);
      expect(found).toEqual(messages.slice(0, found.length));
      expect(found.length).toBeLessThanOrEqual(whole);
      expect(found.length).toBeGreaterThanOrEqual(whole - 1);
      whole = found.length;
      const { seq } = await log.append(tenant, record("t", "next"));
      expect(seq).toBeGreaterThan(found.length);
      expect(await texts(log)).toEqual([...found, "next"]);
    }
    expect(whole).toBeLessThan(10);
  });

  test("every bit flipped in the last two records: no other record suffers, nothing false is read", async () => {
    const disk = new SimulatedDisk();
    await filledLog(disk, 6);
    const path = onlyPath(disk, ".seg");
    const full = disk.content.get(path)!;
    const messages = Array.from({ length: 6 }, (_, index) => `message ${index + 1}`);
    for (let bit = (full.length - 110) * 8; bit < full.length * 8; bit++) {
      const flipped = Buffer.from(full);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const { log } = await openLog(new SimulatedDisk(new Map([[path, flipped]])), clock);
      const found = await texts(log);
      expect(messages).toEqual(expect.arrayContaining(found));
      expect(found.slice(0, 4)).toEqual(messages.slice(0, 4));
    }
  });

  test("a flipped bit in the middle is set aside and told, the records around it are there, numbers are not given again", async () => {
    const disk = new SimulatedDisk();
    await filledLog(disk, 10);
    const path = onlyPath(disk, ".seg");
    const flipped = disk.content.get(path)!;
    flipped[flipped.indexOf("message 4")]! ^= 16;
    const damaged = new SimulatedDisk(new Map([[path, flipped]]));
    const { log, damage } = await openLog(damaged, clock);
    expect(await texts(log)).toEqual([1, 2, 3, 5, 6, 7, 8, 9, 10].map((index) => `message ${index}`));
    expect(damage.reports).toMatchObject([{ path, lost: { from: 4, to: 4 } }]);
    expect(damaged.content.get(damage.reports[0]!.setAside!)!.includes("essage 4")).toBe(true);
    expect((await log.append(tenant, record("t"))).seq).toBe(11);
  });

  test("a record that a client forged inside a payload is not found when its surroundings are damaged", async () => {
    const source = new SimulatedDisk();
    const other = await openLog(source, clock, { segmentBytes: 1_000_000 }, new Uint8Array(16).fill(8));
    for (let index = 1; index <= 3; index++) await other.log.append(tenant, record("t", `message ${index}`));
    const forged = source.content.get(onlyPath(source, ".seg"))!.subarray(61);
    const disk = new SimulatedDisk();
    const { log } = await openLog(disk, clock, { segmentBytes: 1_000_000 });
    for (let index = 0; index < 3; index++)
      await log.append(tenant, { ...record("t"), payload: Buffer.concat([Buffer.alloc(20), forged]) });
    const path = [...disk.content.keys()].find((name) => name.endsWith(".seg"))!;
    const flipped = disk.content.get(path)!;
    flipped[62]! ^= 1;
    // What the payload holds was made with another store's secret.
    const { log: after } = await openLog(new SimulatedDisk(new Map([[path, flipped]])), clock);
    expect((await texts(after)).filter((text) => text.startsWith("message"))).toHaveLength(0);
  });
});

describe("a flipped bit in a file of the engine", () => {
  async function filled(name: string): Promise<{ directory: string; options: EmbeddedEngineOptions }> {
    const directory = join(root, name);
    const options = { directory, clock, logger, ...smallLimits };
    const engine = await openEmbeddedEngine(options);
    for (let index = 1; index <= 60; index++)
      await engine.log.append(tenant, record("t", `message ${index}`.padEnd(100, ".")));
    for (let index = 0; index < 200; index++) await engine.kv("b").put(`key ${index}`, `value ${index}`);
    await engine.close();
    return { directory, options };
  }

  async function flip(path: string, at: (bytes: Buffer) => number): Promise<void> {
    const bytes = await fs.readFile(path);
    bytes[at(bytes)]! ^= 4;
    await fs.writeFile(path, bytes);
  }

  async function messagesOf(engine: EmbeddedEngine): Promise<number[]> {
    return (await collect(engine.log.read(tenant, {}))).flat().map((stored) => stored.seq);
  }

  const all = Array.from({ length: 60 }, (_, index) => index + 1);

  test("segments, one after the other: the header costs nothing, a record only itself", async () => {
    const { directory, options } = await filled("segments");
    const logs = join(directory, "log", "tdefault");
    const segments = (await fs.readdir(logs)).filter((name) => name.endsWith(".seg"));
    expect(segments.length).toBeGreaterThan(3);
    await flip(join(logs, segments[0]!), () => 20);
    await flip(join(logs, segments[1]!), (bytes) => bytes.indexOf("message") + 3);
    const engine = await openEmbeddedEngine(options);
    const found = await messagesOf(engine);
    expect(found).toHaveLength(59);
    expect(engine.damage).toHaveLength(2);
    const [lost] = all.filter((seq) => !found.includes(seq));
    expect(await engine.log.fetch(tenant, 0, [lost!, lost! + 1])).toHaveLength(1);
    await engine.close();
  });

  test.each(["idx", "format", "format.copy"])("%s: everything is there", async (kind) => {
    const { directory, options } = await filled(kind);
    const logs = join(directory, "log", "tdefault");
    const index = (await fs.readdir(logs)).find((name) => name.endsWith(".idx"))!;
    await flip(kind === "idx" ? join(logs, index) : join(directory, kind), (bytes) => bytes.length >> 1);
    const engine = await openEmbeddedEngine(options);
    expect(await messagesOf(engine)).toEqual(all);
    await engine.close();
  });

  test("a value in the control store: it alone is gone, and told", async () => {
    const { directory, options } = await filled("value");
    await flip(join(directory, "control", "data.mdb"), (bytes) => bytes.lastIndexOf("value 77") + 2);
    const engine = await openEmbeddedEngine(options);
    const values = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => (await engine.kv("b").get(`key ${index}`))?.value),
    );
    expect(values.filter((value, index) => value !== `value ${index}`)).toEqual([undefined]);
    expect(engine.damage).toHaveLength(1);
    await engine.close();
  });

  test("the head of the control store, after an end in good order: LMDB may end the process, the start after it repairs", async () => {
    const { directory, options } = await filled("head");
    const path = join(directory, "control", "data.mdb");
    const bytes = await fs.readFile(path);
    for (let page = 0; page < 2; page++) bytes.fill(0xff, page * 4_096, page * 4_096 + 4_096);
    await fs.rm(path);
    await fs.writeFile(path, bytes);
    const first = spawn(process.execPath, ["--conditions=@weir/source", appender, directory], {
      stdio: "ignore",
    });
    await new Promise((resolve) => first.on("close", resolve));
    expect(first.signalCode === null ? first.exitCode : first.signalCode).not.toBe(0);
    errors.length = 0;
    const engine = await openEmbeddedEngine(options);
    expect(errors.join()).toContain("the control store");
    expect(await messagesOf(engine)).toEqual(all);
    await engine.kv("b").put("key 1", "new");
    await engine.close();
  });

  test("after an unclean end, the control store's pages: it is opened in another process, set aside, and the rest saved", async () => {
    const { directory, options } = await filled("pages");
    const path = join(directory, "control", "data.mdb");
    const bytes = await fs.readFile(path);
    const value = bytes.lastIndexOf("value 77");
    const page = value - (value % 4_096);
    bytes.fill(0xff, page, page + 32);
    await fs.writeFile(path, bytes);
    await fs.writeFile(join(directory, "lock"), "not a lock");
    errors.length = 0;
    const engine = await openEmbeddedEngine(options);
    expect(errors.join()).toContain("the control store");
    expect(await messagesOf(engine)).toEqual(all);
    await engine.kv("b").put("key 1", "new");
    expect((await engine.kv("b").get("key 1"))?.value).toBe("new");
    expect((await fs.readdir(join(directory, "damaged"))).some((name) => name.startsWith("control-"))).toBe(
      true,
    );
    await engine.close();
  });

  test.each([
    ["before the damaged one was set aside", true],
    ["before the repaired one took its place", false],
  ])("a crash in a repair of the control store, %s: the next start finishes it", async (_, isThere) => {
    const { directory, options } = await filled(`repair-${isThere}`);
    const control = join(directory, "control");
    await fs.rename(control, join(directory, "control.repaired"));
    if (isThere) {
      await fs.mkdir(control);
      await fs.writeFile(join(control, "data.mdb"), "damaged");
    }
    await fs.mkdir(join(directory, "control.salvaging"));
    await fs.writeFile(join(directory, "lock"), "not a lock");
    const engine = await openEmbeddedEngine(options);
    expect((await engine.kv("b").get("key 7"))?.value).toBe("value 7");
    expect(await fs.readdir(directory)).not.toContain("control.repaired");
    await engine.close();
  });

  test("all files are for their owner alone", async () => {
    const { directory } = await filled("modes");
    for (const entry of await fs.readdir(directory, { withFileTypes: true, recursive: true })) {
      const { mode } = await fs.stat(join(entry.parentPath, entry.name));
      expect([entry.name, mode & 0o077]).toEqual([entry.name, 0]);
    }
  });
});

describe("a full or broken disk", () => {
  test("below the reserve appends are refused with full, surely not applied; room brings them back", async () => {
    const disk = new SimulatedDisk();
    disk.capacityBytes = 100_000;
    const { log } = await openLog(disk, clock, { reserveBytes: 50_000, floorMs: 1e9, floorBytes: 1e9 });
    const fill = async (): Promise<void> => {
      for (;;) await log.append(tenant, record("t", "x".repeat(100)));
    };
    const refusal: unknown = await fill().catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "full", maybeApplied: false });
    expect(log.isDiskFull).toBe(true);
    const { head } = log.bounds(tenant, 0);
    // Behind no floor: what nobody needs goes at once, with what is left of the disk.
    log.release(tenant, 0, head, (seq) => seq % 50 === 0);
    await log.trimmed();
    await until(() => !log.isDiskFull);
    await log.append(tenant, record("t", "again"));
    expect((await log.fetch(tenant, 0, [50, 100])).map((stored) => stored.seq)).toEqual([50, 100]);
    await log.close();
  });

  test("a write that the system refuses for want of space is taken back: refused with full, nothing of it there later", async () => {
    const disk = new SimulatedDisk();
    const { log } = await openLog(disk, clock, { reserveBytes: 0, segmentBytes: 100_000 });
    await log.append(tenant, record("t", "before"));
    disk.capacityBytes = disk.usedBytes + 250;
    const appends = ["a", "b", "c"].map((text) =>
      log.append(tenant, record("t", text.repeat(100)), `id ${text}`),
    );
    for (const append of appends)
      await expect(append).rejects.toMatchObject({ code: "full", maybeApplied: false });
    disk.capacityBytes = Infinity;
    await until(() => !log.isDiskFull);
    expect(await log.lookup(tenant, "id a")).toBeUndefined();
    const { seq } = await log.append(tenant, record("t", "after"), "id a");
    expect(seq).toBe(5);
    expect(await texts(log)).toEqual(["before", "after"]);
    const { log: later } = await openLog(disk.killed(), clock);
    expect(await texts(later)).toEqual(["before", "after"]);
    await log.close();
  });

  test.each([
    ["write", "EIO"],
    ["flush", "EIO"],
    ["flush", "ENOSPC"],
  ] as const)(
    "a failed %s (%s) is final: no acknowledgement, and the outcome unknown",
    async (operation, code) => {
      const disk = new SimulatedDisk();
      const { log, fatal } = await openLog(disk, clock);
      await log.append(tenant, record("t", "before"));
      disk.fail(operation, code);
      const shown: string[] = [];
      log.tail(tenant, {}, (stored) => shown.push(textOf(stored)));
      const failed = [log.append(tenant, record("t", "a")), log.append(tenant, record("t", "b"))];
      for (const append of failed)
        await expect(append).rejects.toMatchObject({ code: "unavailable", maybeApplied: true });
      expect(fatal).toHaveLength(1);
      expect(shown.filter((text) => text !== "before")).toEqual([]);
      const { log: later } = await openLog(disk.cut(randomFrom(1)), clock);
      expect((await texts(later))[0]).toBe("before");
      await log.close();
    },
  );

  test("a fatal error shuts the engine, tells why, and close() ends", async () => {
    const disk = new SimulatedDisk();
    const fatal: Error[] = [];
    const directory = join(root, "fatal");
    const onFatal = (error: Error): void => void fatal.push(error);
    const engine = await openEmbeddedEngine({ directory, clock, logger, files: disk, onFatal });
    disk.fail("flush", "EIO");
    await expect(engine.log.append(tenant, record("t"))).rejects.toMatchObject({ code: "unavailable" });
    expect(fatal).toHaveLength(1);
    expect(engine.health().problems.join()).toContain("flush failed");
    await expect(engine.log.append(tenant, record("t"))).rejects.toMatchObject({
      code: "unavailable",
      maybeApplied: false,
    });
    await expect(engine.kv("b").put("k", 1)).rejects.toMatchObject({ code: "unavailable" });
    await engine.close();
  });

  test("a read that fails rejects with unavailable; the next one reads", async () => {
    const disk = new SimulatedDisk();
    const first = await openLog(disk, clock);
    for (let index = 0; index < 40; index++) await first.log.append(tenant, record("t", "x".repeat(100)));
    await first.log.close();
    const { log } = await openLog(disk, clock);
    disk.fail("read", "EIO");
    await expect(log.fetch(tenant, 0, [1])).rejects.toMatchObject({ code: "unavailable" });
    expect(await log.fetch(tenant, 0, [1])).toHaveLength(1);
    await log.close();
  });
});

describe("a data directory", () => {
  test("that another engine has is refused with the pid", async () => {
    const directory = join(root, "locked");
    const engine = await openEmbeddedEngine({ directory, clock, logger });
    await expect(openEmbeddedEngine({ directory, clock, logger })).rejects.toMatchObject({
      name: "StoreError",
      code: "locked",
      pid: process.pid,
      message: expect.stringContaining(`process ${process.pid}`) as string,
    });
    await engine.close();
    await (await openEmbeddedEngine({ directory, clock, logger })).close();
  });

  test("of a newer version is refused with the remedy, and not touched", async () => {
    const directory = join(root, "newer");
    await (await openEmbeddedEngine({ directory, clock, logger })).close();
    const text = JSON.stringify({ format: 2, epoch: "e", secret: "00" });
    const { crc32 } = await import("node:zlib");
    const file = `${text}\n${crc32(Buffer.from(text)).toString(16).padStart(8, "0")}\n`;
    await fs.writeFile(join(directory, "format"), file);
    await expect(openEmbeddedEngine({ directory, clock, logger })).rejects.toMatchObject({
      code: "newer-format",
      message: expect.stringContaining("newer version") as string,
    });
    expect(await fs.readFile(join(directory, "format"), "utf8")).toBe(file);
  });

  test("of a process that was killed is opened; everything that it acknowledged is there, again and again", async () => {
    const directory = join(root, "killed");
    const random = randomFrom(7);
    for (let round = 0; round < Number(process.env["WEIR_ROUNDS"] ?? 6); round++) {
      const child = spawn(process.execPath, ["--conditions=@weir/source", appender, directory], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (part: string) => (output += part));
      const ended = new Promise((resolve) => child.on("close", resolve));
      await until(() => output.includes("owned") && output.includes("log"));
      await new Promise((resolve) => setTimeout(resolve, random() * 300));
      child.kill("SIGKILL");
      await ended;
      const engine = await openEmbeddedEngine({ directory, clock, logger });
      const acked = (kind: string): number[] =>
        output
          .split("\n")
          .slice(0, -1)
          .filter((line) => line.startsWith(`${kind} `))
          .map((line) => Number(line.split(" ")[1]));
      const last = Math.max(...acked("log"));
      const needed = acked("log").filter((seq) => seq % 10 === 0 || seq > last - 50);
      const found = await engine.log.fetch(tenant, 0, needed);
      expect(found.map((stored) => stored.seq)).toEqual(needed);
      expect((await engine.kv("acked").get("count"))!.value).toBeGreaterThanOrEqual(Math.max(...acked("kv")));
      const held = await engine.owners.acquire("session", tenant, "s1", "token/u1");
      expect(held.parts.cursor).toBeGreaterThanOrEqual(Math.max(...acked("owned")));
      await engine.close();
    }
  }, 120_000);
});
