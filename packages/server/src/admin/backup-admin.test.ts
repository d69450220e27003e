import { FakeClock } from "@weir/testkit";
import { beforeEach, describe, expect, test } from "vitest";
import type { Caller, Scope } from "../core/access/access-token.ts";
import type { Principal } from "../core/access/principal.ts";
import { EngineError } from "../core/ports/engine.ts";
import { BackupAdmin, type BackupStore } from "./backup-admin.ts";

const logger = { debug() {}, info() {}, warn() {}, error() {} };

class FakeStore implements BackupStore {
  readonly epoch = "epoch-of-the-store";
  missing = 0;
  bytes = 40;
  readonly complete: string[] = [];
  making: { id: string; done: PromiseWithResolvers<void> } | undefined;

  async make(id: string): Promise<void> {
    this.making = { id, done: Promise.withResolvers() };
    await this.making.done.promise;
    this.complete.push(id);
    this.making = undefined;
  }

  async list(): Promise<{ id: string; bytes: number; isComplete: boolean }[]> {
    const complete = this.complete.map((id) => ({ id, bytes: 100, isComplete: true }));
    const { making } = this;
    return making ? [...complete, { id: making.id, bytes: this.bytes, isComplete: false }] : complete;
  }

  async expectedBytes(): Promise<number> {
    return 100;
  }

  async missingBytes(): Promise<number> {
    return this.missing;
  }
}

const callerWith = (...scopes: Scope[]): Caller => ({
  scopes,
  principal: { tenant: "default" } as Principal,
});
const admin = callerWith("admin");

let store: FakeStore;
let backups: BackupAdmin;
beforeEach(() => {
  store = new FakeStore();
  backups = new BackupAdmin({ store, clock: new FakeClock({ soon: "immediate" }), logger });
});

describe("BackupAdmin", () => {
  test("a backup runs behind the answer; get() tells how far it is, and that it is complete", async () => {
    const begun = await backups.begin(admin);
    expect(begun).toMatchObject({ state: "running", bytes: 0, expectedBytes: 100 });
    expect(begun.id).toMatch(/^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z$/);
    expect(new Date(begun.createdAt).toISOString().replaceAll(":", "-")).toBe(begun.id);
    expect(await backups.get(admin, begun.id)).toMatchObject({ state: "running", bytes: 40 });
    store.making?.done.resolve();
    await backups.stop();
    expect(await backups.get(admin, begun.id)).toEqual({
      id: begun.id,
      state: "complete",
      createdAt: begun.createdAt,
      bytes: 100,
    });
    expect(await backups.list(admin)).toHaveLength(1);
  });

  test("one at a time: a second is refused with `conflict`, also in the same instant", async () => {
    const [first, second] = await Promise.allSettled([backups.begin(admin), backups.begin(admin)]);
    expect(first.status).toBe("fulfilled");
    expect(second).toMatchObject({ status: "rejected", reason: { code: "conflict" } });
    await expect(backups.begin(admin)).rejects.toMatchObject({ code: "conflict" });
  });

  test.each([
    [Object.assign(new Error("ENOSPC: /secret/path"), { code: "ENOSPC" }), "the disk is full"],
    [new EngineError("closed", "the engine is closed"), "the engine cannot do it now (closed)"],
    [
      Object.assign(new Error("EIO: /secret/path"), { code: "EIO" }),
      "it could not be written (EIO); the broker's log says more",
    ],
  ])("one that fails says why, without a path, and the next may begin: %s", async (error, problem) => {
    const { id } = await backups.begin(admin);
    store.making?.done.reject(error);
    store.making = undefined;
    await expect.poll(() => backups.get(admin, id)).toMatchObject({ state: "failed", problem });
    expect(await backups.begin(admin)).toMatchObject({ state: "running" });
  });

  test("another store than the one that is meant: `precondition`, and nothing is made", async () => {
    await expect(backups.begin(admin, "another")).rejects.toMatchObject({ code: "precondition" });
    expect(store.making).toBeUndefined();
    expect(await backups.begin(admin, store.epoch)).toMatchObject({ state: "running" });
  });

  test("without room: `unavailable`, with the bytes that are missing", async () => {
    store.missing = 4_096;
    await expect(backups.begin(admin)).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("4096 bytes more must be free") as string,
    });
  });

  test("stop() waits for the one that runs, and lets no other begin", async () => {
    await backups.begin(admin);
    let isStopped = false;
    const stopping = backups.stop().then(() => (isStopped = true));
    await expect(backups.begin(admin)).rejects.toMatchObject({ code: "unavailable" });
    expect(isStopped).toBe(false);
    store.making?.done.resolve();
    await stopping;
  });

  test("needs the scope `admin`; a broker in memory has nothing to back up", async () => {
    const caller = callerWith("messages", "metrics");
    await expect(backups.begin(caller)).rejects.toMatchObject({ code: "scope" });
    await expect(backups.list(caller)).rejects.toMatchObject({ code: "scope" });
    await expect(backups.get(caller, "x")).rejects.toMatchObject({ code: "scope" });
    const inMemory = new BackupAdmin({ store: undefined, clock: new FakeClock(), logger });
    await expect(inMemory.begin(admin)).rejects.toMatchObject({ code: "unavailable" });
  });

  test("what else lies in the directory is no backup", async () => {
    store.complete.push("notes", "../../etc");
    expect(await backups.list(admin)).toEqual([]);
    await expect(backups.get(admin, "../../etc")).rejects.toMatchObject({ code: "not-found" });
  });
});
