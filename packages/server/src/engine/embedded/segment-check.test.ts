import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { SystemClock } from "../../clock/system-clock.ts";
import { record } from "../contract/engine-under-contract.ts";
import { openEmbeddedEngine } from "./embedded-engine.ts";
import { checkStore, type StoreCheck } from "./store-tools.ts";

const clock = new SystemClock();
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const root = await fs.mkdtemp(join(tmpdir(), "weir-check-"));
afterAll(async () => {
  clock.close();
  await fs.rm(root, { recursive: true, force: true });
});

/** Ten records, each durable before the next. */
async function store(name: string): Promise<{ check: () => Promise<StoreCheck>; segment: string }> {
  const directory = join(root, name);
  const engine = await openEmbeddedEngine({ directory, clock, logger });
  for (let index = 0; index < 10; index++) await engine.log.append("default", record("t", "x".repeat(90)));
  await engine.close();
  const check = (): Promise<StoreCheck> => checkStore(directory);
  return { check, segment: (await check()).segments[0]!.path };
}

async function change(file: string, edit: (bytes: Buffer) => Buffer): Promise<void> {
  await fs.writeFile(file, edit(await fs.readFile(file)));
}

test("a stretch in the middle is damage, with the numbers of the records that stood there", async () => {
  const { check, segment } = await store("middle");
  const middle = Math.floor((await fs.readFile(segment)).length / 2);
  await change(segment, (bytes) => bytes.fill(0xee, middle - 20, middle + 20));
  const { isSound, segments } = await check();
  expect(isSound).toBe(false);
  const [{ lost, isTornTail } = expect.fail("no damage")] = segments[0]!.damaged;
  expect(isTornTail).toBe(false);
  expect(lost.to - lost.from + 1).toBe(10 - segments[0]!.records);
  expect(lost.from).toBeGreaterThan(1);
});

test("half a record at the end was never acknowledged: a torn tail, and no damage", async () => {
  const { check, segment } = await store("torn");
  await change(segment, (bytes) => Buffer.concat([bytes, bytes.subarray(-40)]));
  const { isSound, segments } = await check();
  expect(isSound).toBe(true);
  expect(segments[0]).toMatchObject({ records: 10, damaged: [{ bytes: 40, isTornTail: true }] });
});

test("a damaged head loses no record, and is told", async () => {
  const { check, segment } = await store("head");
  await change(segment, (bytes) => bytes.fill(0, 0, 8));
  expect(await check()).toMatchObject({ isSound: false, segments: [{ isHeaderSound: false, records: 10 }] });
});

test.each(["format", "format.copy"])("%s damaged: the other is enough, and it is told", async (name) => {
  const { check } = await store(`whole-${name}`);
  await change(join(root, `whole-${name}`, name), (bytes) => bytes.fill(0, 3, 4));
  expect(await check()).toMatchObject({ isSound: false, isFormatWhole: false, segments: [{ records: 10 }] });
});

test("a control store that is missing is damage, and the check makes none", async () => {
  const { check } = await store("control");
  await fs.rm(join(root, "control", "control"), { recursive: true });
  expect(await check()).toMatchObject({ isSound: false, control: undefined });
  await expect(fs.stat(join(root, "control", "control"))).rejects.toThrow("ENOENT");
});
