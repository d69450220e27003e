import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SystemClock } from "../../clock/system-clock.ts";
import { smallLimits } from "../../../testing/open-log.ts";
import { record } from "../contract/engine-under-contract.ts";
import { BackupFolder } from "./backup-folder.ts";
import { holderOf } from "./directory-lock.ts";
import { type EmbeddedEngine, openEmbeddedEngine } from "./embedded-engine.ts";
import { defaultLogLimits } from "./log/log-limits.ts";
import { checkStore, moveBackup, restoreStore } from "./store-tools.ts";

const clock = new SystemClock();
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const root = await fs.mkdtemp(join(tmpdir(), "weir-backups-"));
const storeDirectory = join(root, "store");
const directory = join(root, "backups");
let engine: EmbeddedEngine;

beforeAll(async () => {
  engine = await openEmbeddedEngine({ directory: storeDirectory, clock, logger, ...smallLimits });
  for (let index = 0; index < 40; index++)
    await engine.log.append("default", record("t", `${index} ${"x".repeat(90)}`));
});
afterAll(async () => {
  await engine.close();
  clock.close();
  await fs.rm(root, { recursive: true, force: true });
});

const folderOf = (source: { epoch: string; backup(target: string): Promise<void> }): BackupFolder =>
  new BackupFolder({ source, storeDirectory, directory, limits: defaultLogLimits });

test("make() gives a backup its name only when it is whole, and removes what an earlier one left", async () => {
  await fs.mkdir(join(directory, "old.unfinished", "log"), { recursive: true });
  const seen: string[][] = [];
  const folder = folderOf({
    epoch: engine.epoch,
    async backup(target) {
      await engine.backup(target);
      seen.push(await fs.readdir(directory));
    },
  });
  expect(await folder.list()).toEqual([{ id: "old", bytes: 0, isComplete: false }]);
  await folder.make("one");
  expect(seen).toEqual([["one.unfinished"]]);
  expect(await folder.list()).toEqual([{ id: "one", bytes: expect.any(Number) as number, isComplete: true }]);
  expect((await checkStore(join(directory, "one"))).isSound).toBe(true);
  await expect(folder.make("one")).rejects.toThrow();
  expect(await fs.readdir(directory)).toEqual(["one"]);
});

test("make() that fails leaves nothing", async () => {
  const folder = folderOf({
    epoch: engine.epoch,
    async backup(target) {
      await fs.mkdir(target);
      throw new Error("the disk is gone");
    },
  });
  await expect(folder.make("two")).rejects.toThrow("the disk is gone");
  expect((await folder.list()).map(({ id }) => id)).toEqual(["one"]);
});

test("expectedBytes() and missingBytes() know the store's size and the disk's room", async () => {
  const folder = folderOf(engine);
  expect(await folder.expectedBytes()).toBeGreaterThan(engine.log.bounds("default", 0).bytes);
  expect(await folder.missingBytes()).toBeGreaterThanOrEqual(0);
});

test("moveBackup() keeps the store's epoch, restoreStore() makes a new one, and neither takes a used directory", async () => {
  const moved = join(root, "far", "away");
  const progress: number[] = [];
  await moveBackup(join(directory, "one"), moved);
  expect(await fs.readdir(directory)).toEqual([]);
  expect((await checkStore(moved)).epoch).toBe(engine.epoch);
  const restored = join(root, "restored");
  await restoreStore(moved, restored, ({ doneBytes, totalBytes }) => progress.push(doneBytes / totalBytes));
  expect(progress.at(-1)).toBe(1);
  expect((await checkStore(restored)).epoch).not.toBe(engine.epoch);
  await expect(moveBackup(moved, restored)).rejects.toMatchObject({ code: "not-a-store" });
  await expect(restoreStore(moved, restored)).rejects.toMatchObject({ code: "not-a-store" });
});

test("restoreStore() that is cut short leaves nothing behind", async () => {
  const backup = join(root, "backup");
  await engine.backup(backup);
  const names = await fs.readdir(root);
  const cut = restoreStore(backup, join(root, "never"), () => {
    throw new Error("cut short");
  });
  await expect(cut).rejects.toThrow("cut short");
  expect(await fs.readdir(root)).toEqual(names);
});

test("holderOf() tells the process that has a directory, and changes nothing", async () => {
  expect(await holderOf(storeDirectory)).toBe(process.pid);
  expect(await holderOf(join(root, "restored"))).toBeUndefined();
  expect(await holderOf(join(root, "nowhere"))).toBeUndefined();
  const lock = await fs.readFile(join(storeDirectory, "lock"), "utf8");
  const dead = join(root, "dead");
  await fs.mkdir(dead);
  await fs.writeFile(join(dead, "lock"), lock.replace(/"startedAt":"[^"]*"/, '"startedAt":"1"'));
  expect(await holderOf(dead)).toBeUndefined();
});
