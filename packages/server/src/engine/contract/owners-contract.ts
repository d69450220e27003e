import { describe, expect, test } from "vitest";
import type { Engine, Held } from "../../core/ports/engine.ts";
import { collect, type EngineUnderTest, expectError, until } from "./engine-under-contract.ts";
import { needs } from "./capability-contract.ts";

function acquire(engine: Engine, id = "s1", identity = "token/u1"): Promise<Held> {
  return engine.owners.acquire("session", "default", id, identity);
}

async function stored(engine: Engine): Promise<unknown[]> {
  return collect(engine.owners.list("session", "default"));
}

function describeParts(under: EngineUnderTest): void {
  test("acquire() of what is not stored is created, and stays so until something is saved", async () => {
    const engine = await under.open();
    const held = await acquire(engine);
    expect(held).toMatchObject({ kind: "session", tenant: "default", id: "s1", created: true, parts: {} });
    await engine.owners.release(held, false);
    expect(await stored(engine)).toEqual([]);
    expect((await acquire(engine)).created).toBe(true);
  });

  test("save() replaces the parts given and leaves the others", async () => {
    const engine = await under.open();
    const held = await acquire(engine);
    await engine.owners.save(held, { meta: { name: "m" }, cursor: [1, 2] });
    await engine.owners.save(held, { cursor: [3], inFlight: new Uint8Array([7]) });
    await engine.owners.release(held, false);
    const again = await acquire(engine);
    expect(again.created).toBe(false);
    expect(again.parts).toEqual({ meta: { name: "m" }, cursor: [3], inFlight: new Uint8Array([7]) });
    expect(again.epoch).toBeGreaterThan(held.epoch);
  });

  test("save() takes the parts as they are at the call, and the order of calls holds", async () => {
    const engine = await under.open();
    const held = await acquire(engine);
    const cursor = [1];
    const saves = [engine.owners.save(held, { cursor })];
    cursor[0] = 2;
    saves.push(engine.owners.save(held, { cursor }), engine.owners.save(held, { meta: "m" }));
    cursor[0] = 3;
    await Promise.all(saves);
    expect(await stored(engine)).toEqual([
      { id: "s1", identity: "token/u1", parts: { cursor: [2], meta: "m" } },
    ]);
  });

  test("list() gives what is saved of one kind and tenant, held or not", async () => {
    const engine = await under.open();
    for (const id of ["s1", "s2"]) await engine.owners.save(await acquire(engine, id), { meta: id });
    const group = await engine.owners.acquire("share-group", "default", "s1", "token/u1");
    await engine.owners.save(group, { meta: "group" });
    const other = await engine.owners.acquire("session", "other", "s9", "token/u1");
    await engine.owners.save(other, { meta: "other" });
    const ids = (await collect(engine.owners.list("session", "default"))).map((entry) => entry.id);
    expect(ids.toSorted()).toEqual(["s1", "s2"]);
  });

  test("release() with forget takes the parts away", async () => {
    const engine = await under.open();
    const held = await acquire(engine);
    await engine.owners.save(held, { meta: "m" });
    await engine.owners.release(held, true);
    expect(await stored(engine)).toEqual([]);
    expect((await acquire(engine, "s1", "token/u2")).created).toBe(true);
  });
}

function describeHolds(under: EngineUnderTest): void {
  test("acquire() of another identity's id rejects with foreign, held or not", async () => {
    const engine = await under.open();
    const held = await acquire(engine);
    await engine.owners.save(held, { meta: "m" });
    await expectError(acquire(engine, "s1", "token/u2"), "foreign");
    await engine.owners.release(held, false);
    await expectError(acquire(engine, "s1", "token/u2"), "foreign");
    expect((await acquire(engine)).parts).toEqual({ meta: "m" });
  });

  test("acquire() ends the hold that was: onTakeover there, fenced for its saves and its forget", async () => {
    const engine = await under.open();
    const taken: number[] = [];
    engine.owners.onTakeover((held) => taken.push(held.epoch));
    const first = await acquire(engine);
    await engine.owners.save(first, { meta: 1 });
    const second = await acquire(engine);
    await until(() => taken.length > 0);
    expect(taken).toEqual([first.epoch]);
    await expectError(engine.owners.save(first, { meta: "stale" }), "fenced");
    await expectError(engine.owners.release(first, true), "fenced");
    await engine.owners.release(first, false);
    await engine.owners.save(second, { meta: 2 });
    expect(await stored(engine)).toEqual([{ id: "s1", identity: "token/u1", parts: { meta: 2 } }]);
  });

  test("a save before the takeover is in the parts that the new owner gets, one after it is fenced", async () => {
    const engine = await under.open();
    const first = await acquire(engine);
    const saved = engine.owners.save(first, { cursor: 1 });
    const second = acquire(engine);
    const late = engine.owners.save(first, { cursor: 2 });
    await saved;
    await expectError(late, "fenced");
    expect((await second).parts).toEqual({ cursor: 1 });
  });

  test("save() after release() is fenced, also when the id was forgotten and made anew", async () => {
    const engine = await under.open();
    const held = await acquire(engine);
    await engine.owners.save(held, { meta: 1 });
    await engine.owners.release(held, true);
    await acquire(engine);
    await expectError(engine.owners.save(held, { meta: "stale" }), "fenced");
    expect(await stored(engine)).toEqual([]);
  });
}

function describeNodes(under: EngineUnderTest): void {
  test("another node takes over: the first hears of it and is fenced", async () => {
    const [first, second] = await under.openPair();
    const taken: Held[] = [];
    first.owners.onTakeover((held) => taken.push(held));
    const held = await acquire(first);
    await first.owners.save(held, { meta: "m" });
    const now = await acquire(second);
    expect(now.parts).toEqual({ meta: "m" });
    await until(() => taken.length > 0);
    expect(taken[0]).toMatchObject({ kind: "session", tenant: "default", id: "s1", epoch: held.epoch });
    await expectError(first.owners.save(held, { meta: "stale" }), "fenced");
    await second.owners.save(now, { meta: "mine" });
    expect(await stored(first)).toEqual([{ id: "s1", identity: "token/u1", parts: { meta: "mine" } }]);
  });

  test("what a closed node held is told to the others as orphaned", async () => {
    const [first, second] = await under.openPair();
    const orphans: string[] = [];
    second.owners.onOrphan((kind, tenant, id) => orphans.push(`${kind} ${tenant} ${id}`));
    await first.owners.save(await acquire(first), { meta: "m" });
    await acquire(first, "s2");
    await first.close();
    await until(() => orphans.length > 0);
    expect(orphans).toEqual(["session default s1"]);
    expect((await acquire(second)).parts).toEqual({ meta: "m" });
  });
}

export function describeOwners(under: EngineUnderTest): void {
  describe("owners: parts", () => describeParts(under));
  describe("owners: holds", () => describeHolds(under));
  describe("owners: two nodes", needs(under, "openPair"), () => describeNodes(under));
}
