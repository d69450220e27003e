import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Engine } from "../../core/ports/engine.ts";
import { collect, type EngineUnderTest, quiet, record, textOf, until } from "./engine-under-contract.ts";

const tenant = "default";

interface ModelRecord {
  readonly seq: number;
  readonly text: string;
  /** May be gone. */
  released: boolean;
}

/** The log as an array, and what is true of any log that was told the same. */
class LogModel {
  readonly #engine: Engine;
  readonly #shard: number;
  readonly #records: ModelRecord[] = [];
  readonly #places = new Map<string, number>();
  readonly #tailed: string[] = [];
  #count = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#shard = engine.log.shardOf(tenant, "t");
    engine.log.tail(tenant, {}, (stored) => this.#tailed.push(`${stored.seq} ${textOf(stored)}`));
  }

  async append(ids: readonly (string | undefined)[]): Promise<void> {
    await Promise.all(
      ids.map(async (id) => {
        const text = `message ${(this.#count += 1)}`;
        const { seq, duplicate } = await this.#engine.log.append(tenant, record("t", text), id);
        const place = id === undefined ? undefined : this.#places.get(id);
        expect({ id, duplicate, seq }).toEqual({ id, duplicate: place !== undefined, seq: place ?? seq });
        if (duplicate) return;
        if (id !== undefined) this.#places.set(id, seq);
        this.#records.push({ seq, text, released: false });
      }),
    );
  }

  /** `share` of the records go, but for each `every`th. */
  release(share: number, every: number): void {
    const before = this.#records[Math.floor(this.#records.length * share)]?.seq ?? 0;
    const keep = (seq: number): boolean => seq % every === 0;
    this.#engine.log.release(tenant, this.#shard, before, keep);
    for (const entry of this.#records) if (entry.seq < before && !keep(entry.seq)) entry.released = true;
  }

  async check(): Promise<void> {
    const all = new Map(this.#records.map((entry) => [entry.seq, entry.text]));
    const needed = this.#records.filter((entry) => !entry.released).map((entry) => entry.seq);
    const read = (await collect(this.#engine.log.read(tenant, {}))).flat();
    const seqs = read.map((stored) => stored.seq);
    expect(seqs).toEqual(seqs.toSorted((left, right) => left - right));
    expect(read.map(textOf)).toEqual(seqs.map((seq) => all.get(seq)));
    expect(seqs.filter((seq) => needed.includes(seq))).toEqual(needed);
    const fetched = await this.#engine.log.fetch(tenant, this.#shard, needed.toReversed());
    expect(fetched.map((stored) => stored.seq)).toEqual(needed.toReversed());
    await until(() => this.#tailed.length >= this.#records.length);
    expect(this.#tailed).toEqual(this.#records.map((entry) => `${entry.seq} ${entry.text}`));
  }
}

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      append: fc.array(fc.option(fc.constantFrom("i1", "i2", "i3", "i4"), { nil: undefined }), {
        maxLength: 30,
      }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      release: fc.double({ min: 0, max: 1, noNaN: true }),
      every: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ quiet: true }) },
);

export function describeLogModel(under: EngineUnderTest): void {
  test("the log behaves as an array under any order of appends, retries and releases", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const engine = await under.open();
        const model = new LogModel(engine);
        for (const one of steps) {
          if ("append" in one) await model.append(one.append);
          else if ("release" in one) model.release(one.release, one.every);
          else await quiet();
        }
        await model.check();
        await engine.close();
      }),
      { numRuns: 60 },
    );
  });
}
