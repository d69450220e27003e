import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Engine } from "../../core/ports/engine.ts";
import { needs } from "./capability-contract.ts";
import {
  collect,
  type EngineUnderTest,
  expectError,
  quiet,
  record,
  textOf,
} from "./engine-under-contract.ts";

function describeEnd(under: EngineUnderTest): void {
  test("an engine that was just opened is healthy", async () => {
    const engine = await under.open();
    expect(engine.health()).toEqual({ ok: true, problems: [], isFull: false });
    engine.onHealth(() => {}).stop();
  });

  test("drain() resolves after what was handed over, and with nothing to do", async () => {
    const engine = await under.open();
    await engine.drain(5_000);
    let isDurable = false;
    void engine.log.append("default", record("t")).then(() => (isDurable = true));
    await engine.drain(5_000);
    expect(isDurable).toBe(true);
  });

  test("close() settles what was called before; later calls reject with closed", async () => {
    const engine = await under.open();
    const held = await engine.owners.acquire("session", "default", "s1", "token/u1");
    const appended = engine.log.append("default", record("t"));
    const closed = engine.close();
    await expect(appended).resolves.toMatchObject({ duplicate: false });
    await closed;
    const calls: Promise<unknown>[] = [
      engine.log.append("default", record("t")),
      engine.log.fetch("default", 0, [1]),
      engine.log.lookup("default", "id"),
      engine.log.interest("default", "#", 1),
      collect(engine.log.read("default", {})),
      engine.kv("a").get("k"),
      engine.kv("a").put("k", 1),
      engine.kv("a").delete("k"),
      engine.kv("a").atomic([]),
      collect(engine.kv("a").list("")),
      engine.owners.acquire("session", "default", "s2", "token/u1"),
      engine.owners.save(held, { meta: 1 }),
      engine.owners.release(held, false),
      engine.bus.interest("default", ["a"], []),
      engine.bus.request(engine.nodeId, "v", 1, 100),
    ];
    for (const call of calls) await expectError(call, "closed");
    expect(engine.health().ok).toBe(false);
  });

  test("close() ends tails and watches, may be called again, and what returns nothing is then harmless", async () => {
    const engine = await under.open();
    let calls = 0;
    engine.log.tail("default", {}, () => (calls += 1));
    await engine.close();
    await engine.close();
    engine.log.tail("default", {}, () => (calls += 1)).stop();
    engine
      .kv("a")
      .watch("", () => (calls += 1))
      .stop();
    engine.bus.publish("default", "a", 1);
    engine.log.release("default", 0, 10, () => false);
    await quiet();
    expect(calls).toBe(0);
  });
}

/** Appends in bursts, with saves and puts between them, and notes what was acknowledged. */
async function work(
  engine: Engine,
  bursts: readonly number[],
): Promise<{ appended: string[]; acked: string[] }> {
  const appended: string[] = [];
  const acked: string[] = [];
  for (const burst of bursts) {
    for (let index = 0; index < burst; index++) {
      const text = String(appended.length);
      appended.push(text);
      void engine.log.append("default", record("t", text), text).then(
        () => acked.push(text),
        () => undefined,
      );
    }
    await new Promise<void>((resolve) => queueMicrotask(resolve));
  }
  return { appended, acked };
}

function describeCrash(under: EngineUnderTest): void {
  test("what had resolved before a crash is there after it", async () => {
    const engine = await under.open();
    const { seq } = await engine.log.append("default", record("t", "a"), "id1");
    await engine.kv("a").put("k", "v");
    const held = await engine.owners.acquire("session", "default", "s1", "token/u1");
    await engine.owners.save(held, { meta: "m", cursor: 1 });
    const after = await under.crash(engine);
    expect(
      (await collect(after.log.read("default", {}))).flat().map((stored) => [stored.seq, textOf(stored)]),
    ).toEqual([[seq, "a"]]);
    expect(await after.log.lookup("default", "id1")).toMatchObject({ seq });
    expect(await after.log.append("default", record("t", "a"), "id1")).toMatchObject({
      seq,
      duplicate: true,
    });
    expect((await after.kv("a").get("k"))?.value).toBe("v");
    const again = await after.owners.acquire("session", "default", "s1", "token/u1");
    expect(again).toMatchObject({ created: false, parts: { meta: "m", cursor: 1 } });
    expect(again.epoch).toBeGreaterThan(held.epoch);
  });

  test("what release() let go may be gone after a crash, what it kept is there, and no number is given again", async () => {
    const engine = await under.open();
    const texts = Array.from({ length: 400 }, (_, index) => String(index));
    const results = await Promise.all(
      texts.map((text) => engine.log.append("default", record("t", text.padEnd(100)))),
    );
    const shard = results[0]!.shard;
    const last = results.at(-1)!.seq;
    const kept = new Set([results[7]!.seq, results[250]!.seq]);
    engine.log.release("default", shard, last + 1, (seq) => kept.has(seq));
    await quiet();
    const after = await under.crash(engine);
    expect((await after.log.fetch("default", shard, [...kept])).map((stored) => stored.seq)).toEqual([
      ...kept,
    ]);
    after.log.release("default", shard, last + 1, () => false);
    await quiet();
    const again = await under.crash(after);
    expect((await again.log.append("default", record("t"))).seq).toBeGreaterThan(last);
  });

  test("a tenant that the log was to forget stays forgotten after a crash", async () => {
    const engine = await under.open();
    for (const name of ["a", "b"]) await engine.log.append(name, record("t", `of ${name}`));
    await engine.log.forget("a");
    const after = await under.crash(engine);
    expect(await collect(after.log.read("a", {}))).toEqual([]);
    expect((await collect(after.log.read("b", {}))).flat().map(textOf)).toEqual(["of b"]);
  });

  test("a key that was deleted stays deleted after a crash, and its revision is not given again", async () => {
    const engine = await under.open();
    const revision = await engine.kv("a").put("k", 1);
    await engine.kv("a").delete("k");
    const after = await under.crash(engine);
    expect(await after.kv("a").get("k")).toBeUndefined();
    expect(await after.kv("a").create("k", 2)).not.toBe(revision);
  });

  test("after a crash the log is a prefix of what was appended, with all that was acknowledged", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 8 }), async (bursts) => {
        const engine = await under.open();
        const { appended, acked } = await work(engine, bursts);
        const ackedThen = [...acked];
        const after = await under.crash(engine);
        const kept = (await collect(after.log.read("default", {}))).flat().map(textOf);
        expect(kept).toEqual(appended.slice(0, kept.length));
        expect(kept.length).toBeGreaterThanOrEqual(ackedThen.length);
        const next = await after.log.append("default", record("t", "next"));
        expect((await collect(after.log.read("default", {}))).flat().at(-1)?.seq).toBe(next.seq);
        await after.close();
      }),
      { numRuns: 40 },
    );
  });
}

export function describeLifecycle(under: EngineUnderTest): void {
  describe("health, drain, close", () => describeEnd(under));
  describe("crash", needs(under, "crash"), () => describeCrash(under));
}
