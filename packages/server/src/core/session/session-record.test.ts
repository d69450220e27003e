import { describe, expect, it } from "vitest";
import { FakeClock } from "@weir/testkit";
import { type MemoryEngine, openMemoryEngine } from "../../engine/memory/memory-engine.ts";
import { EngineError, type OwnedParts } from "../ports/engine.ts";
import { type RecordSource, SessionRecord } from "./session-record.ts";

class Source implements RecordSource {
  meta = 1;
  progress = 1;
  marks = 0;
  readonly failures: unknown[] = [];

  metaPart(): number {
    return this.meta;
  }

  progressParts(): { cursor: number; inFlight: number } {
    return { cursor: this.progress, inFlight: this.progress };
  }

  recordMarked(): void {
    this.marks += 1;
  }

  recordFailed(error: unknown): void {
    this.failures.push(error);
  }
}

interface Recorded {
  readonly engine: MemoryEngine;
  readonly source: Source;
  readonly record: SessionRecord;
  /** How many saves the engine was asked for. */
  readonly saves: () => number;
  readonly stored: () => Promise<OwnedParts | undefined>;
}

async function recorded(): Promise<Recorded> {
  const engine = openMemoryEngine({ clock: new FakeClock() });
  const source = new Source();
  const record = new SessionRecord(
    engine.owners,
    await engine.owners.acquire("session", "t", "s", "i"),
    source,
  );
  let count = 0;
  engine.hooks.onAwait(({ kind, phase }) => (count += kind === "save" && phase === "apply" ? 1 : 0));
  const stored = async (): Promise<OwnedParts | undefined> => {
    for await (const { parts } of engine.owners.list("session", "t")) return parts;
    return undefined;
  };
  return { engine, source, record, saves: () => count, stored };
}

describe("SessionRecord", () => {
  it("gathers the saves of one turn, and reads the parts when it writes them", async () => {
    const { source, record, saves, stored } = await recorded();
    const done = [record.save("meta"), record.save("progress"), record.save()];
    source.meta = 2;
    await Promise.all(done);
    expect([saves(), await stored()]).toEqual([1, { meta: 2, cursor: 1, inFlight: 1 }]);
  });

  it("writes only what was marked, the cursor never without what is in flight", async () => {
    const { source, record, stored } = await recorded();
    await record.save("meta", "progress");
    source.meta = source.progress = 2;
    await record.save("progress");
    expect(await stored()).toEqual({ meta: 1, cursor: 2, inFlight: 2 });
  });

  it("lets a save that was asked for during another one begin after it", async () => {
    const { engine, source, record, saves, stored } = await recorded();
    engine.hooks.hold();
    const first = record.save("meta");
    for (let turn = 0; turn < 3; turn += 1) await Promise.resolve();
    source.meta = 2;
    const second = record.save("meta");
    engine.hooks.resume();
    await Promise.all([first, second]);
    expect([saves(), (await stored())?.meta]).toEqual([2, 2]);
  });

  it("tells once that something waits to be saved", async () => {
    const { source, record } = await recorded();
    record.mark("meta");
    record.mark("progress");
    expect([source.marks, record.isDirty]).toEqual([1, true]);
    await record.save();
    expect(record.isDirty).toBe(false);
  });

  it("goes on owing what could not be saved, and does not go on with what waited for it", async () => {
    const { engine, source, record, stored } = await recorded();
    engine.hooks.fail({ kind: "save", error: new EngineError("full", "test"), outcome: "lost" });
    let hasGoneOn = false;
    record.saveThen(["meta"], () => (hasGoneOn = true));
    await expect(record.save()).rejects.toMatchObject({ code: "full" });
    expect([hasGoneOn, record.isDirty, source.failures.length]).toEqual([false, true, 1]);
    await record.save();
    expect((await stored())?.meta).toBe(1);
  });

  it("goes on owing what nobody waits for and a full disk did not take, without a failure", async () => {
    const { engine, source, record, stored } = await recorded();
    engine.hooks.fail({ kind: "save", error: new EngineError("full", "test"), outcome: "lost" });
    record.mark("meta");
    await expect(record.saveMarked()).rejects.toMatchObject({ code: "full" });
    expect([record.isDirty, source.failures]).toEqual([true, []]);
    await record.saveMarked();
    expect((await stored())?.meta).toBe(1);
  });

  it("is gone after close(true), also what was about to be saved", async () => {
    const { source, record, stored } = await recorded();
    await record.save("meta");
    const late = record.save("progress");
    await record.close(true);
    await late;
    expect([await stored(), source.failures]).toEqual([undefined, []]);
  });
});
