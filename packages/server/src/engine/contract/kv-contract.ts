import { describe, expect, test } from "vitest";
import type { Kv, KvEvent, Plain } from "../../core/ports/engine.ts";
import { collect, type EngineUnderTest, expectError, quiet, until } from "./engine-under-contract.ts";
import { needs } from "./capability-contract.ts";

async function keysUnder(kv: Kv, prefix: string): Promise<string[]> {
  return (await collect(kv.list(prefix))).map((entry) => entry.key).toSorted();
}

function shortOf(event: KvEvent): string {
  if (event.kind === "put") return `put ${event.entry.key}=${JSON.stringify(event.entry.value)}`;
  return event.kind === "delete" ? `delete ${event.key}` : "synced";
}

function describeChanges(under: EngineUnderTest): void {
  test("get() tells what put() stored, with its revision; another bucket does not know the key", async () => {
    const engine = await under.open();
    const revision = await engine.kv("a").put("k", "v");
    expect(await engine.kv("a").get("k")).toEqual({ key: "k", value: "v", revision });
    expect(await engine.kv("a").get("other")).toBeUndefined();
    expect(await engine.kv("b").get("k")).toBeUndefined();
  });

  test("put() changes the revision, delete() takes the key away, and nothing settles in the tick of its call", async () => {
    const kv = (await under.open()).kv("a");
    const first = await kv.put("k", 1);
    let isSettled = false;
    const second = kv.put("k", 2).then((revision) => ((isSettled = true), revision));
    expect(isSettled).toBe(false);
    expect(await second).not.toBe(first);
    await kv.delete("k");
    expect(await kv.get("k")).toBeUndefined();
    await expect(kv.delete("k")).resolves.toBeUndefined();
  });

  test("calls take effect in their order, without a wait between them", async () => {
    const kv = (await under.open()).kv("a");
    const [, before, , after] = await Promise.all([kv.put("k", 1), kv.get("k"), kv.put("k", 2), kv.get("k")]);
    expect([before?.value, after?.value]).toEqual([1, 2]);
  });

  test("keys of 5,000 characters, of any characters, are kept apart", async () => {
    const kv = (await under.open()).kv("a");
    const long = "é/".repeat(2_500);
    const keys = [long, `${long}x`, "", " ", "a\0b", "a", "\u{1F600}"];
    for (const [index, key] of keys.entries()) await kv.put(key, index);
    const entries = await Promise.all(keys.map((key) => kv.get(key)));
    expect(entries.map((entry) => entry?.value)).toEqual(keys.map((_, index) => index));
    expect(await keysUnder(kv, long)).toEqual([long, `${long}x`].toSorted());
  });

  test("values come back as they were, and are nobody's to change", async () => {
    const kv = (await under.open()).kv("a");
    const bytes = new Uint8Array([1, 2]);
    const value = {
      text: "é",
      count: 1.5,
      far: 2 ** 53 - 1,
      yes: true,
      none: null,
      list: [1, [2]],
      bytes,
    } satisfies Plain;
    const put = kv.put("k", value);
    bytes.fill(9);
    value.list.push(3);
    await put;
    const read = (await kv.get("k"))!.value as typeof value;
    expect(read).toEqual({ ...value, list: [1, [2]], bytes: new Uint8Array([1, 2]) });
    read.bytes.fill(7);
    read.list.push(4);
    expect((await kv.get("k"))!.value).toEqual({ ...value, list: [1, [2]], bytes: new Uint8Array([1, 2]) });
  });

  test("what is no plain data is refused at the call: functions, class instances, cycles", async () => {
    const kv = (await under.open()).kv("a");
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    for (const value of [() => 1, new Map(), cycle]) {
      await expect((async () => kv.put("k", value as unknown as Plain))()).rejects.toBeInstanceOf(TypeError);
    }
    expect(await kv.get("k")).toBeUndefined();
  });

  test("list() gives the entries under a prefix", async () => {
    const kv = (await under.open()).kv("a");
    for (const key of ["a/1", "a/2", "b/1"]) await kv.put(key, key);
    expect(await keysUnder(kv, "a/")).toEqual(["a/1", "a/2"]);
    expect(await keysUnder(kv, "")).toEqual(["a/1", "a/2", "b/1"]);
    expect(await keysUnder(kv, "c")).toEqual([]);
  });
}

function describeConditions(under: EngineUnderTest): void {
  test("create() of a key that exists rejects with conflict and changes nothing", async () => {
    const kv = (await under.open()).kv("a");
    await kv.create("k", 1);
    await expectError(kv.create("k", 2), "conflict");
    expect((await kv.get("k"))?.value).toBe(1);
    await kv.delete("k");
    await expect(kv.create("k", 3)).resolves.toBeTypeOf("number");
  });

  test("cas() writes only over the revision it names", async () => {
    const kv = (await under.open()).kv("a");
    const first = await kv.put("k", 1);
    const second = await kv.cas("k", 2, first);
    await expectError(kv.cas("k", 3, first), "conflict");
    await expectError(kv.cas("missing", 3, first), "conflict");
    expect(await kv.get("k")).toEqual({ key: "k", value: 2, revision: second });
  });

  test("of two that decide by one revision at once, one wins", async () => {
    const kv = (await under.open()).kv("a");
    const results = await Promise.allSettled([kv.create("k", 1), kv.create("k", 2)]);
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected"]);
  });

  test("atomic() does all or, where one condition fails, nothing", async () => {
    const kv = (await under.open()).kv("a");
    const revision = await kv.put("old", 1);
    await expectError(
      kv.atomic([
        { kind: "put", key: "new", value: 1, ifRevision: 0 },
        { kind: "delete", key: "old", ifRevision: revision + 1_000 },
      ]),
      "conflict",
    );
    expect(await keysUnder(kv, "")).toEqual(["old"]);
    await kv.atomic([
      { kind: "put", key: "new", value: 1, ifRevision: 0 },
      { kind: "delete", key: "old", ifRevision: revision },
    ]);
    expect(await keysUnder(kv, "")).toEqual(["new"]);
  });
}

function describeWatch(under: EngineUnderTest): void {
  test("watch() gives all current entries, then synced, then changes in order", async () => {
    const kv = (await under.open()).kv("a");
    for (const key of ["a/1", "a/2", "b/1"]) await kv.put(key, 1);
    const events: string[] = [];
    kv.watch("a/", (event) => events.push(shortOf(event)));
    expect(events).toEqual([]);
    await until(() => events.includes("synced"));
    expect(events.toSorted()).toEqual(["put a/1=1", "put a/2=1", "synced"]);
    expect(events.at(-1)).toBe("synced");
    await kv.put("a/1", 2);
    await kv.put("b/2", 2);
    await kv.delete("a/2");
    await kv.atomic([
      { kind: "put", key: "a/3", value: 3 },
      { kind: "delete", key: "a/1" },
    ]);
    await until(() => events.length >= 7);
    expect(events.slice(3)).toEqual(["put a/1=2", "delete a/2", "put a/3=3", "delete a/1"]);
  });

  test("watch() of nothing gives synced; after stop() nothing", async () => {
    const kv = (await under.open()).kv("a");
    const events: string[] = [];
    const watch = kv.watch("", (event) => events.push(shortOf(event)));
    await until(() => events.length > 0);
    watch.stop();
    await kv.put("k", 1);
    await quiet();
    expect(events).toEqual(["synced"]);
  });

  test("watch() shows what another node changes", needs(under, "openPair"), async () => {
    const [first, second] = await under.openPair();
    const events: string[] = [];
    second.kv("a").watch("", (event) => events.push(shortOf(event)));
    await until(() => events.length > 0);
    await first.kv("a").put("k", 1);
    await until(() => events.length > 1);
    expect(events).toEqual(["synced", "put k=1"]);
    expect((await second.kv("a").get("k"))?.value).toBe(1);
  });
}

export function describeKv(under: EngineUnderTest): void {
  describe("kv: changes", () => describeChanges(under));
  describe("kv: conditions", () => describeConditions(under));
  describe("kv: watch", () => describeWatch(under));
}
