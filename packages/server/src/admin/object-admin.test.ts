import { FakeClock } from "@weir/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Scope } from "../core/access/access-token.ts";
import type { Principal } from "../core/access/principal.ts";
import { NamedObjects } from "../core/objects/named-objects.ts";
import { type MemoryEngine, openMemoryEngine } from "../engine/memory/memory-engine.ts";
import { AdminError } from "./admin-error.ts";
import { ObjectAdmin } from "./object-admin.ts";
import type { Caller } from "./scope.ts";

interface Colour {
  readonly red: number;
}

let engine: MemoryEngine;
let clock: FakeClock;
let objects: NamedObjects<Colour>;
let colours: ObjectAdmin<Colour>;

const callerWith = (scopes: readonly Scope[], tenant = "default"): Caller => ({
  principal: { tenant } as Principal,
  scopes,
  tenant,
  address: "127.0.0.1",
});
const painter = callerWith(["policies"]);

beforeEach(async () => {
  clock = new FakeClock({ soon: "immediate" });
  engine = openMemoryEngine({ clock });
  const ignore = (): void => {};
  objects = new NamedObjects<Colour>({
    kv: engine.kv("colours"),
    clock,
    logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    randomId: () => "id",
    encode: ({ red }) => ({ red }),
    decode: (value) => value as unknown as Colour,
    maxPerTenant: 3,
  });
  await objects.open();
  colours = new ObjectAdmin(
    {
      path: "colours",
      noun: "colour",
      scope: "policies",
      parse: (body) => {
        const { red } = body as Colour;
        if (red > 255) throw new AdminError("invalid", "red: is more than 255");
        return { red };
      },
      present: ({ value }) => ({ red: value.red }),
    },
    objects,
  );
});

afterEach(async () => {
  objects.close();
  await engine.close();
});

const refusal = (code: string): unknown => expect.objectContaining({ code });

describe("ObjectAdmin", () => {
  it("put() makes an object, then replaces it, and tells which of the two it was", async () => {
    const made = await colours.put(painter, "rose", { red: 200 }, undefined);
    expect(made).toMatchObject({ isNew: true, shown: { name: "rose", red: 200 } });
    const again = await colours.put(painter, "rose", { red: 201 }, undefined);
    expect(again).toMatchObject({ isNew: false, shown: { red: 201 } });
    expect(again.version).toBeGreaterThan(made.version);
    expect(colours.get(painter, "rose")).toMatchObject({ shown: { red: 201 }, version: again.version });
  });

  it("put() and delete() refuse an object in another state than expected", async () => {
    const { version } = await colours.put(painter, "rose", { red: 1 }, 0);
    await expect(colours.put(painter, "rose", { red: 2 }, 0)).rejects.toEqual(refusal("precondition"));
    await expect(colours.put(painter, "rose", { red: 2 }, version - 1)).rejects.toEqual(
      refusal("precondition"),
    );
    await expect(colours.put(painter, "iris", { red: 2 }, "present")).rejects.toEqual(
      refusal("precondition"),
    );
    await expect(colours.delete(painter, "rose", version - 1)).rejects.toEqual(refusal("precondition"));
    await colours.put(painter, "rose", { red: 2 }, "present");
    await colours.delete(painter, "rose", "present");
    expect(() => colours.get(painter, "rose")).toThrow("there is no colour of this name");
  });

  it("list() pages by name", async () => {
    for (const name of ["c", "a", "b"]) await colours.put(painter, name, { red: 1 }, undefined);
    const first = colours.list(painter, undefined, 2);
    expect(first.items.map(({ shown }) => shown["name"])).toEqual(["a", "b"]);
    const second = colours.list(painter, first.next, 2);
    expect(second).toMatchObject({ items: [{ shown: { name: "c" } }], next: undefined });
  });

  it("refuses names that could not stand in an address, bodies that the kind refuses, and more than a tenant may have", async () => {
    await expect(colours.put(painter, "a/b", { red: 1 }, undefined)).rejects.toEqual(refusal("invalid"));
    await expect(colours.put(painter, "a", { red: 256 }, undefined)).rejects.toThrow("red: is more than 255");
    for (const name of ["a", "b", "c"]) await colours.put(painter, name, { red: 1 }, undefined);
    await expect(colours.put(painter, "d", { red: 1 }, undefined)).rejects.toThrow(
      "the tenant has 3 already, which is the most; delete one first",
    );
  });

  it("needs the kind's scope, and keeps tenants apart", async () => {
    await colours.put(painter, "rose", { red: 1 }, undefined);
    expect(() => colours.get(callerWith(["tokens"]), "rose")).toThrow("needs the scope policies");
    const stranger = callerWith(["admin"], "other");
    expect(colours.list(stranger, undefined, 10).items).toEqual([]);
    await expect(colours.delete(stranger, "rose", undefined)).rejects.toEqual(refusal("not-found"));
  });
});
