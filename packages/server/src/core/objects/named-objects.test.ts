import { FakeClock } from "@weir/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MemoryCluster } from "../../engine/memory/memory-cluster.ts";
import { type MemoryEngine, openMemoryEngine } from "../../engine/memory/memory-engine.ts";
import { NamedObjects } from "./named-objects.ts";

interface Colour {
  readonly red: number;
}

let clock: FakeClock;
let cluster: MemoryCluster;
let engine: MemoryEngine;
let logged: string[];
let ids: number;

function openObjects(on: MemoryEngine = engine): NamedObjects<Colour> {
  const warn = (_fields: unknown, text: string): void => void logged.push(text);
  return new NamedObjects<Colour>({
    kv: on.kv("colours"),
    clock,
    logger: { debug: warn, info: warn, warn, error: warn },
    randomId: () => `id-${ids++}`,
    encode: ({ red }) => ({ red }),
    decode: (value) => {
      const { red } = value as { red: unknown };
      if (typeof red !== "number") throw new Error("red is no number");
      return { red };
    },
    maxPerTenant: 3,
  });
}

async function opened(on?: MemoryEngine): Promise<NamedObjects<Colour>> {
  const objects = openObjects(on);
  await objects.open();
  return objects;
}

beforeEach(() => {
  clock = new FakeClock();
  cluster = new MemoryCluster({ clock });
  engine = openMemoryEngine({ clock, cluster });
  logged = [];
  ids = 1;
});

afterEach(() => engine.close());

describe("NamedObjects", () => {
  it("put() makes an object, and replaces it under the same id with a higher version", async () => {
    const objects = await opened();
    const made = await objects.put("default", "rose", { red: 1 });
    expect(made).toMatchObject({ isNew: true, object: { name: "rose", id: "id-1", value: { red: 1 } } });
    clock.advance(1_000);
    const changed = await objects.put("default", "rose", { red: 2 });
    expect(changed).toMatchObject({ isNew: false, object: { id: "id-1", value: { red: 2 } } });
    expect(changed.object.version).toBeGreaterThan(made.object.version);
    expect(changed.object.updatedAtMs - changed.object.createdAtMs).toBe(1_000);
    expect(objects.get("default", "rose")).toEqual(changed.object);
  });

  it("shows what is stored after it is opened again, and what cannot be read counts as absent", async () => {
    const before = await opened();
    const { object } = await before.put("default", "rose", { red: 1 });
    before.close();
    await engine.kv("colours").put("default/dusty", { id: "x", value: { red: "?" }, version: 1 });
    const again = await opened();
    expect(again.get("default", "rose")).toEqual(object);
    expect(again.get("default", "dusty")).toBeUndefined();
    expect(logged).toEqual([expect.stringContaining("cannot be read")]);
    expect(await again.put("default", "dusty", { red: 3 })).toMatchObject({ object: { value: { red: 3 } } });
  });

  it("refuses a change of another version with conflict; version 0 stands for none", async () => {
    const objects = await opened();
    const { object } = await objects.put("default", "rose", { red: 1 }, 0);
    const conflict = expect.objectContaining({ code: "conflict" }) as unknown;
    await expect(objects.put("default", "rose", { red: 2 }, 0)).rejects.toEqual(conflict);
    await expect(objects.put("default", "rose", { red: 2 }, object.version + 1)).rejects.toEqual(conflict);
    await expect(objects.delete("default", "rose", object.version + 1)).rejects.toEqual(conflict);
    expect(objects.get("default", "rose")).toEqual(object);
    expect(await objects.delete("default", "rose", object.version)).toBe(true);
    expect(await objects.delete("default", "rose")).toBe(false);
  });

  it("a name made anew has another id and repeats no version (semantics.md §1.16)", async () => {
    const objects = await opened();
    const before = (await objects.put("default", "rose", { red: 1 })).object;
    clock.advance(100);
    await objects.delete("default", "rose");
    const after = (await objects.put("default", "rose", { red: 1 })).object;
    expect(after.id).not.toBe(before.id);
    expect(after.version).toBeGreaterThan(before.version);
  });

  it("lists a tenant's objects by name, page by page, and no other tenant's", async () => {
    const objects = await opened();
    for (const name of ["c", "a", "b"]) await objects.put("default", name, { red: 1 });
    await objects.put("other", "aa", { red: 1 });
    const names = (after?: string): string[] =>
      objects.list("default", after, 2).map((object) => object.name);
    expect(names()).toEqual(["a", "b"]);
    expect(names("b")).toEqual(["c"]);
    expect([...objects.all()].map(({ tenant, object }) => `${tenant}/${object.name}`).sort()).toEqual([
      "default/a",
      "default/b",
      "default/c",
      "other/aa",
    ]);
  });

  it("holds at most maxPerTenant, also when they come at once", async () => {
    const objects = await opened();
    const results = await Promise.allSettled(
      ["a", "b", "c", "d"].map(async (name) => objects.put("default", name, { red: 1 })),
    );
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected"]);
    expect(results[3]).toMatchObject({ reason: { code: "full" } });
    await objects.put("default", "a", { red: 2 });
  });

  it.each(["", "a/b", "ü", "a b", "x".repeat(129)])("refuses the name %j", async (name) => {
    const objects = await opened();
    expect(() => objects.put("default", name, { red: 1 })).toThrow(RangeError);
  });

  it("tells each change once and in order, on the node that made it and on the others", async () => {
    const here = await opened();
    const there = await opened(openMemoryEngine({ clock, cluster }));
    const told = (objects: NamedObjects<Colour>): string[] => {
      const changes: string[] = [];
      objects.onChange((tenant, name, before, after) =>
        changes.push(`${tenant}/${name} ${before?.value.red ?? "-"}→${after?.value.red ?? "-"}`),
      );
      return changes;
    };
    const changes = [told(here), told(there)];
    await here.put("default", "rose", { red: 1 });
    await there.put("default", "rose", { red: 2 });
    await here.delete("default", "rose");
    await there.put("default", "rose", { red: 3 });
    await here.put("default", "rose", { red: 4 });
    const all = ["-→1", "1→2", "2→-", "-→3", "3→4"].map((change) => `default/rose ${change}`);
    await expect.poll(() => changes).toEqual([all, all]);
  });
});
