import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { SystemClock } from "../../clock/system-clock.ts";
import { openLog } from "../../../testing/open-log.ts";
import { randomFrom, SimulatedDisk } from "../../../testing/simulated-disk.ts";
import { collect, record, textOf } from "../contract/engine-under-contract.ts";
import type { EmbeddedLog } from "./log/embedded-log.ts";

const clock = new SystemClock();
afterAll(() => clock.close());
const tenant = "default";

/** What a disk must show that was cut at some moment. */
interface Moment {
  readonly disk: SimulatedDisk;
  /** Number to text of what had been acknowledged and not been released. */
  readonly needed: ReadonlyMap<number, string>;
  readonly ackedTo: number;
}

/** Drives a log, and knows what it owes. */
class LogDriver {
  readonly texts = new Map<number, string>();
  readonly needed = new Map<number, string>();
  readonly #log: EmbeddedLog;
  ackedTo = 0;

  constructor(log: EmbeddedLog) {
    this.#log = log;
  }

  async append(sizes: readonly number[]): Promise<void> {
    const head = this.#log.bounds(tenant, 0).head;
    await Promise.all(
      sizes.map(async (size, index) => {
        const text = `${head + index + 1} `.padEnd(size, "x");
        this.texts.set(head + index + 1, text);
        const { seq } = await this.#log.append(tenant, record("t", text), `id ${head + index + 1}`);
        expect(this.texts.get(seq)).toBe(text);
        this.needed.set(seq, text);
        this.ackedTo = seq;
      }),
    );
  }

  async release(share: number, every: number): Promise<void> {
    const before = Math.floor(this.ackedTo * share) + 1;
    const kept = new Set([...this.needed.keys()].filter((seq) => seq % every === 0));
    for (const seq of this.needed.keys()) if (seq < before && !kept.has(seq)) this.needed.delete(seq);
    this.#log.release(tenant, 0, before, (seq) => kept.has(seq));
    await this.#log.trimmed();
  }
}

async function expectKept(
  { disk, needed, ackedTo }: Moment,
  texts: ReadonlyMap<number, string>,
): Promise<void> {
  const { log } = await openLog(disk, clock);
  const read = (await collect(log.read(tenant, {}))).flat();
  const found = new Map(read.map((stored) => [stored.seq, textOf(stored)]));
  for (const [seq, text] of needed) expect([seq, found.get(seq)]).toEqual([seq, text]);
  for (const [seq, text] of found) expect([seq, text]).toEqual([seq, texts.get(seq)]);
  const unacked = [...found.keys()].filter((seq) => seq > ackedTo);
  expect(unacked).toEqual(unacked.map((_, index) => ackedTo + 1 + index));
  expect(read.map((stored) => stored.seq)).toEqual([...found.keys()].sort((left, right) => left - right));
  const fetched = await log.fetch(tenant, 0, [...needed.keys()]);
  expect(fetched.map(textOf)).toEqual([...needed.values()]);
  const last = [...needed.keys()].at(-1);
  if (last !== undefined) {
    const again = await log.append(tenant, record("t", "again"), `id ${last}`);
    expect(again).toMatchObject({ seq: last, duplicate: true });
  }
  const { seq } = await log.append(tenant, record("t", "next"));
  expect(seq).toBeGreaterThan(Math.max(ackedTo, ...found.keys()));
  expect((await log.fetch(tenant, 0, [seq])).map(textOf)).toEqual(["next"]);
  await log.close();
}

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      append: fc.array(fc.integer({ min: 4, max: 700 }), { minLength: 1, maxLength: 20 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      release: fc.double({ min: 0, max: 1, noNaN: true }),
      every: fc.integer({ min: 1, max: 12 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ reopen: true }) },
  {
    weight: 1,
    arbitrary: fc.record({
      trimWhile: fc.array(fc.integer({ min: 300, max: 900 }), { minLength: 1, maxLength: 6 }),
      every: fc.constantFrom(3, 1e9),
    }),
  },
);

async function run(
  steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[],
  seed: number,
): Promise<void> {
  const random = randomFrom(seed);
  const disk = new SimulatedDisk();
  const moments: Moment[] = [];
  let { log } = await openLog(disk, clock);
  let driver = new LogDriver(log);
  const texts = driver.texts;
  disk.onChange = () => {
    if (random() > 0.08 || moments.length >= 8) return;
    const cut = random() < 0.25 ? disk.killed() : disk.cut(random);
    moments.push({ disk: cut, needed: new Map(driver.needed), ackedTo: driver.ackedTo });
  };
  for (const one of steps) {
    if ("append" in one) await driver.append(one.append);
    else if ("release" in one) await driver.release(one.release, one.every);
    else if ("trimWhile" in one)
      await Promise.all([driver.append(one.trimWhile), driver.release(1, one.every)]);
    else {
      await log.close();
      ({ log } = await openLog(disk, clock));
      const before = driver;
      driver = new LogDriver(log);
      for (const [seq, text] of before.needed) driver.needed.set(seq, text);
      for (const [seq, text] of before.texts) driver.texts.set(seq, text);
      driver.ackedTo = before.ackedTo;
    }
    for (const [seq, text] of driver.texts) texts.set(seq, text);
  }
  disk.onChange = undefined;
  await log.close();
  moments.push({ disk: disk.killed(), needed: driver.needed, ackedTo: driver.ackedTo });
  for (const moment of moments) await expectKept(moment, driver.texts);
}

describe("the embedded log when the power goes", () => {
  test("what was acknowledged is there, nothing else but a prefix of what was under way, and numbers go on", async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 10 }), fc.integer(), run), {
      numRuns: Number(process.env["WEIR_RUNS"] ?? 60),
    });
  }, 600_000);

  test("at each step of a compaction, every kept record is there", async () => {
    const disk = new SimulatedDisk();
    const { log } = await openLog(disk, clock);
    const driver = new LogDriver(log);
    for (let burst = 0; burst < 12; burst++) await driver.append([100, 200, 300, 50, 500, 80]);
    await driver.release(0.5, 9);
    const moments: Moment[] = [];
    const random = randomFrom(1);
    const kept = new Set([...driver.needed.keys()].filter((seq) => seq % 7 === 0));
    for (const seq of driver.needed.keys()) if (seq < 70 && !kept.has(seq)) driver.needed.delete(seq);
    disk.onChange = () => {
      const { needed, ackedTo } = driver;
      for (const cut of [
        disk.killed(),
        disk.cut(random),
        disk.cut(random),
        disk.cut(() => 0),
        disk.cut(() => 0.999),
      ])
        moments.push({ disk: cut, needed: new Map(needed), ackedTo });
    };
    const before = disk.content.size;
    log.release(tenant, 0, 70, (seq) => kept.has(seq));
    await log.trimmed();
    expect(disk.content.size).toBeLessThan(before);
    expect(moments.length).toBeGreaterThan(50);
    disk.onChange = undefined;
    for (const moment of moments) await expectKept(moment, driver.texts);
  });
});
