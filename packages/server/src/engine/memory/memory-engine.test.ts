import { afterAll, describe, expect, test } from "vitest";
import { FakeClock } from "@weir/testkit";
import { SystemClock } from "../../clock/system-clock.ts";
import { EngineError } from "../../core/ports/engine.ts";
import { collect, quiet, record, textOf, until } from "../contract/engine-under-contract.ts";
import { describeEngineContract } from "../engine-contract.ts";
import { MemoryCluster } from "./memory-cluster.ts";
import { openMemoryEngine, type MemoryEngine } from "./memory-engine.ts";

const clock = new SystemClock();
afterAll(() => clock.close());

const open = async (): Promise<MemoryEngine> => openMemoryEngine({ clock });
const openPair = async (): Promise<readonly [MemoryEngine, MemoryEngine]> => {
  const cluster = new MemoryCluster({ clock });
  return [openMemoryEngine({ cluster }), openMemoryEngine({ cluster })];
};
const openBounded = async (maxBytes: number): Promise<MemoryEngine> => openMemoryEngine({ clock, maxBytes });

describeEngineContract("the memory engine", open, {
  openPair,
  openBounded,
  crash: async (engine) => (engine as MemoryEngine).crash(),
});

let seed = 0;
describeEngineContract("the memory engine where a crash leaves unacknowledged changes", open, {
  openPair,
  openBounded,
  crash: async (engine) => (engine as MemoryEngine).crash({ seed: (seed += 1) }),
});

describeEngineContract(
  "the memory engine with four shards",
  async () => openMemoryEngine({ clock, shards: 4 }),
  {},
);

async function texts(engine: MemoryEngine): Promise<string[]> {
  return (await collect(engine.log.read("default", {}))).flat().map(textOf);
}

describe("hooks of the memory engine", () => {
  test("hold() keeps everything, step() lets one operation go, resume() the rest", async () => {
    const engine = await open();
    const settled: string[] = [];
    engine.hooks.hold();
    void engine.log.append("default", record("t", "a")).then(() => settled.push("append"));
    void engine
      .kv("k")
      .put("k", 1)
      .then(() => settled.push("put"));
    await quiet();
    expect([settled, engine.hooks.pending]).toEqual([[], 2]);
    expect(engine.hooks.step()).toBe(true);
    await quiet();
    expect(settled).toEqual(["append"]);
    engine.hooks.resume();
    await quiet();
    expect(settled).toEqual(["append", "put"]);
    expect(engine.hooks.step()).toBe(false);
  });

  test("a failed append that was lost is not there, its id is free, and the next ones follow", async () => {
    const engine = await open();
    engine.hooks.fail({
      kind: "append",
      error: new EngineError("unavailable", "test", true),
      outcome: "lost",
    });
    const appends = [
      engine.log.append("default", record("t", "a"), "id1"),
      engine.log.append("default", record("t", "b")),
    ];
    await expect(appends[0]).rejects.toMatchObject({ code: "unavailable", maybeApplied: true });
    await appends[1];
    expect(await engine.log.lookup("default", "id1")).toBeUndefined();
    expect(await texts(engine)).toEqual(["b"]);
    expect(await engine.log.append("default", record("t", "a"), "id1")).toMatchObject({ duplicate: false });
  });

  test("a failed append that was applied is found by its id and shown to tails", async () => {
    const engine = await open();
    const seen: string[] = [];
    engine.log.tail("default", {}, (stored) => seen.push(textOf(stored)));
    engine.hooks.fail({
      kind: "append",
      error: new EngineError("timeout", "test", true),
      outcome: "applied",
    });
    await expect(engine.log.append("default", record("t", "a"), "id1")).rejects.toMatchObject({
      code: "timeout",
    });
    expect(await engine.log.lookup("default", "id1")).toMatchObject({ seq: 1 });
    expect(await engine.log.append("default", record("t", "a"), "id1")).toMatchObject({
      seq: 1,
      duplicate: true,
    });
    expect(seen).toEqual(["a"]);
  });

  test("saves fail so many times, until clearFailures()", async () => {
    const engine = await open();
    const held = await engine.owners.acquire("session", "default", "s1", "token/u1");
    engine.hooks.fail({
      kind: "save",
      error: new EngineError("full", "test"),
      outcome: "lost",
      times: Infinity,
    });
    await expect(engine.owners.save(held, { meta: 1 })).rejects.toMatchObject({
      code: "full",
      maybeApplied: false,
    });
    await expect(engine.owners.save(held, { meta: 1 })).rejects.toMatchObject({ code: "full" });
    engine.hooks.clearFailures();
    await engine.owners.save(held, { meta: 2 });
    expect(await collect(engine.owners.list("session", "default"))).toMatchObject([{ parts: { meta: 2 } }]);
  });

  test("crash() forgets what had not settled, gives its numbers again, and silences the old engine", async () => {
    const engine = await open();
    const events: string[] = [];
    engine.log.tail("default", {}, (stored) => events.push(`tail ${textOf(stored)}`));
    await engine.log.append("default", record("t", "a"));
    engine.hooks.hold();
    void engine.log.append("default", record("t", "b"), "id1").then(() => events.push("ack b"));
    expect(engine.log.bounds("default", 0).head).toBe(2);
    const after = engine.hooks.crash();
    void engine.log.append("default", record("t", "c")).finally(() => events.push("settled c"));
    expect(after.log.bounds("default", 0).head).toBe(1);
    expect(await after.log.lookup("default", "id1")).toBeUndefined();
    expect(await after.log.append("default", record("t", "d"))).toMatchObject({ seq: 2 });
    await quiet();
    expect(events).toEqual(["tail a"]);
    expect(await texts(after)).toEqual(["a", "d"]);
  });

  test("crash() with a seed leaves a prefix of each lane, never anything behind a gap", async () => {
    const kept = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const engine = await open();
      engine.hooks.hold();
      for (const text of ["a", "b", "c", "d"]) void engine.log.append("default", record("t", text));
      const left = await texts(engine.crash({ seed }));
      expect(left).toEqual(["a", "b", "c", "d"].slice(0, left.length));
      kept.add(left.length);
    }
    expect(kept).toEqual(new Set([0, 1, 2, 3, 4]));
  });

  test("crashAt() crashes at every point of a run, and what was shown or acknowledged by then is there", async () => {
    const run = async (engine: MemoryEngine, seen: string[]): Promise<void> => {
      engine.log.tail("default", {}, (stored) => seen.push(textOf(stored)));
      for (const text of ["a", "b", "c"]) {
        await engine.log.append("default", record("t", text));
        await engine.kv("acked").put(text, true);
      }
    };
    const counted = await open();
    let points = 0;
    counted.hooks.onAwait((point) => (points = point.number));
    await run(counted, []);
    expect(points).toBe(14);
    for (let point = 1; point <= points; point++) {
      const engine = await open();
      const seen: string[] = [];
      const crashed = engine.hooks.crashAt(point);
      void run(engine, seen);
      const after = await crashed;
      const acked = (await collect(after.kv("acked").list(""))).map((entry) => entry.key);
      expect(await texts(after)).toEqual(["a", "b", "c"].slice(0, seen.length));
      expect(seen.slice(0, acked.length)).toEqual(acked);
    }
  });

  test("setProblems() changes health() and tells it", async () => {
    const engine = await open();
    const told: boolean[] = [];
    engine.onHealth((health) => told.push(health.ok));
    engine.hooks.setProblems(["the disk is full"]);
    expect(engine.health()).toMatchObject({ ok: false, problems: ["the disk is full"] });
    engine.hooks.setProblems([]);
    await quiet();
    expect(told).toEqual([true, true]);
  });

  test("drain() resolves at its deadline where nothing moves", async () => {
    const fake = new FakeClock();
    const engine = openMemoryEngine({ clock: fake });
    engine.hooks.hold();
    let isDrained = false;
    void engine.log.append("default", record("t"));
    void engine.drain(1_000).then(() => (isDrained = true));
    await fake.settle();
    expect(isDrained).toBe(false);
    fake.advance(1_100);
    await fake.settle();
    expect(isDrained).toBe(true);
  });
});

describe("bounds of the memory engine", () => {
  test("an id is remembered for dedupMs; later only lookup() finds its record", async () => {
    const fake = new FakeClock();
    const engine = openMemoryEngine({ clock: fake, dedupMs: 1_000 });
    await engine.log.append("default", record("t", "a"), "id1");
    fake.advance(900);
    expect(await engine.log.append("default", record("t", "a"), "id1")).toMatchObject({
      seq: 1,
      duplicate: true,
    });
    for (let index = 0; index < 2; index++) {
      fake.advance(1_000);
      await engine.log.append("default", record("t", "b"), `other ${index}`);
    }
    expect(await engine.log.lookup("default", "id1")).toMatchObject({ seq: 1 });
    expect(await engine.log.append("default", record("t", "a"), "id1")).toMatchObject({
      seq: 4,
      duplicate: false,
    });
  });

  test("no more than maxIds ids are remembered", async () => {
    const engine = openMemoryEngine({ clock, maxIds: 100 });
    for (let index = 0; index < 200; index++) await engine.log.append("default", record("t"), `id ${index}`);
    expect((await engine.log.append("default", record("t"), "id 199")).duplicate).toBe(true);
    expect((await engine.log.append("default", record("t"), "id 0")).duplicate).toBe(false);
  });

  test("the largest log makes room, so that one tenant does not push out another's records", async () => {
    const engine = openMemoryEngine({ clock, maxBytes: 100_000 });
    await engine.log.append("quiet", record("t", "kept"));
    for (let index = 0; index < 500; index++) await engine.log.append("loud", record("t", "x".repeat(500)));
    expect((await collect(engine.log.read("quiet", {}))).flat().map(textOf)).toEqual(["kept"]);
    expect(engine.log.bounds("loud", 0).bytes).toBeLessThanOrEqual(100_000);
  });

  test("a record larger than the log rejects with too-large", async () => {
    const engine = openMemoryEngine({ clock, maxBytes: 1_000 });
    await expect(engine.log.append("default", record("t", "x".repeat(1_000)))).rejects.toMatchObject({
      code: "too-large",
    });
  });

  test("release() asks for what it kept again in rounds, and each call for a bounded number", async () => {
    const engine = await open();
    for (let index = 0; index < 20; index++) {
      await Promise.all(
        Array.from({ length: 1_000 }, () => engine.log.append("default", record("t", "x".repeat(100)))),
      );
    }
    engine.log.release("default", 0, 20_001, () => true);
    let asked = 0;
    const keep = (seq: number): boolean => ((asked += 1), seq % 5_000 === 0);
    engine.log.release("default", 0, 20_001, keep);
    expect(asked).toBeLessThanOrEqual(1_024);
    for (let call = 0; call < 20; call++) engine.log.release("default", 0, 20_001, keep);
    const left = (await collect(engine.log.read("default", {}))).flat();
    expect(left.map((stored) => stored.seq)).toEqual([5_000, 10_000, 15_000, 20_000]);
    expect(left[0]!.record.payload.buffer.byteLength).toBe(100);
    expect(engine.log.bounds("default", 0)).toMatchObject({ first: 5_000, head: 20_000 });
  });
});

describe("a cluster of memory engines", () => {
  test("an append waits for another node's earlier one, and goes on when that node crashes", async () => {
    const [first, second] = await openPair();
    const seen: string[] = [];
    second.log.tail("default", {}, (stored) => seen.push(textOf(stored)));
    await second.drain(1_000);
    first.hooks.hold();
    void first.log.append("default", record("t", "held"));
    const waiting = second.log.append("default", record("t", "waiting"));
    await quiet();
    expect(seen).toEqual([]);
    first.crash();
    expect(await waiting).toMatchObject({ seq: 2 });
    expect(seen).toEqual(["waiting"]);
    expect(await second.log.append("default", record("t", "next"))).toMatchObject({ seq: 3 });
  });

  test("a node's held save is fenced by a takeover that came first", async () => {
    const [first, second] = await openPair();
    const held = await first.owners.acquire("session", "default", "s1", "token/u1");
    await first.owners.save(held, { meta: 1 });
    first.hooks.hold();
    const late = first.owners.save(held, { meta: 2 });
    const taken = await second.owners.acquire("session", "default", "s1", "token/u1");
    first.hooks.resume();
    await expect(late).rejects.toMatchObject({ code: "fenced" });
    expect(taken.parts).toEqual({ meta: 1 });
  });

  test("what a crashed node held is told to the others as orphaned", async () => {
    const [first, second] = await openPair();
    const orphans: string[] = [];
    second.owners.onOrphan((_kind, _tenant, id) => orphans.push(id));
    await first.owners.save(await first.owners.acquire("session", "default", "s1", "token/u1"), { meta: 1 });
    first.crash();
    await until(() => orphans.length > 0);
    expect(orphans).toEqual(["s1"]);
  });
});
