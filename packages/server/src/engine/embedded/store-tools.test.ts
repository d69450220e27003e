import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { SystemClock } from "../../clock/system-clock.ts";
import { smallLimits } from "../../../testing/open-log.ts";
import { collect, record, textOf } from "../contract/engine-under-contract.ts";
import { type EmbeddedEngine, openEmbeddedEngine } from "./embedded-engine.ts";
import { checkStore, restoreStore, statStore } from "./store-tools.ts";

const clock = new SystemClock();
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const root = await fs.mkdtemp(join(tmpdir(), "weir-tools-"));
afterAll(async () => {
  clock.close();
  await fs.rm(root, { recursive: true, force: true });
});

const open = (name: string): Promise<EmbeddedEngine> =>
  openEmbeddedEngine({ directory: join(root, name), clock, logger, ...smallLimits });

async function append(engine: EmbeddedEngine, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, () => engine.log.append("default", record("t", "x".repeat(90)))),
  );
}

test("checkStore() reads every record and entry of a store in use, and says where a bit is wrong", async () => {
  const engine = await open("checked");
  await append(engine, 50);
  for (let index = 0; index < 20; index++) await engine.kv("b").put(String(index), index);
  const progress: number[] = [];
  const check = await checkStore(join(root, "checked"), ({ doneBytes }) => progress.push(doneBytes));
  expect(check).toMatchObject({ format: 1, epoch: engine.epoch, isSound: true, control: { damaged: 0 } });
  expect(check.segments.reduce((sum, segment) => sum + segment.records, 0)).toBe(50);
  expect(check.segments.at(-1)!.lastSeq).toBe(50);
  expect(progress).toHaveLength(check.segments.length);
  await engine.close();
  const { path } = check.segments[1]!;
  const bytes = await fs.readFile(path);
  bytes[300]! ^= 1;
  await fs.writeFile(path, bytes);
  const again = await checkStore(join(root, "checked"));
  expect(again.isSound).toBe(false);
  expect(again.segments[1]!.damaged).toHaveLength(1);
  expect(again.segments[1]!.records).toBe(check.segments[1]!.records - 1);
});

test("statStore() tells what is there; what is no store is refused", async () => {
  const engine = await open("counted");
  await append(engine, 30);
  const stats = await statStore(join(root, "counted"));
  expect(stats.tenants).toEqual([
    {
      tenant: "default",
      segments: expect.any(Number) as number,
      bytes: engine.log.bounds("default", 0).bytes,
    },
  ]);
  expect(stats.controlBytes).toBeGreaterThan(0);
  await engine.close();
  await expect(statStore(root)).rejects.toMatchObject({ code: "not-a-store" });
});

test("backup() during appends and compaction holds all that was acknowledged before; restored, it has a new epoch", async () => {
  const engine = await open("saved");
  await append(engine, 40);
  await engine.kv("b").put("k", "v");
  const writing = (async () => {
    for (let burst = 0; burst < 20; burst++) {
      await append(engine, 5);
      engine.log.release("default", 0, 20, (seq) => seq % 2 === 0);
    }
  })();
  await engine.backup(join(root, "backup"));
  await writing;
  await expect(engine.backup(join(root, "backup"))).rejects.toMatchObject({ code: "not-a-store" });
  expect((await checkStore(join(root, "backup"))).isSound).toBe(true);
  await restoreStore(join(root, "backup"), join(root, "restored"));
  const restored = await open("restored");
  expect(restored.epoch).not.toBe(engine.epoch);
  expect((await restored.kv("b").get("k"))?.value).toBe("v");
  const seqs = (await collect(restored.log.read("default", {}))).flat().map((stored) => stored.seq);
  expect(seqs).toEqual(expect.arrayContaining(Array.from({ length: 21 }, (_, index) => index + 20)));
  const { seq } = await restored.log.append("default", record("t", "next"));
  expect((await restored.log.fetch("default", 0, [seq])).map(textOf)).toEqual(["next"]);
  await expect(restoreStore(join(root, "backup"), join(root, "restored"))).rejects.toMatchObject({
    code: "not-a-store",
  });
  expect(engine.damage).toEqual([]);
  expect(restored.damage).toEqual([]);
  await restored.close();
  await engine.close();
});
