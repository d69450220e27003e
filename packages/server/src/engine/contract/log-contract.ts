import { describe, expect, test } from "vitest";
import type { Engine, LogRecord, StoredRecord } from "../../core/ports/engine.ts";
import { collect, type EngineUnderTest, quiet, record, textOf, until } from "./engine-under-contract.ts";
import { needs } from "./capability-contract.ts";

const tenant = "default";

async function appendAll(
  engine: Engine,
  payloads: readonly string[],
  topic = "data/u1/s1",
): Promise<readonly number[]> {
  const results = await Promise.all(
    payloads.map((payload) => engine.log.append(tenant, record(topic, payload))),
  );
  return results.map((result) => result.seq);
}

async function readAll(
  engine: Engine,
  ...options: Parameters<Engine["log"]["read"]> extends [string, ...infer Rest] ? Rest : never
): Promise<StoredRecord[]> {
  return (await collect(engine.log.read(tenant, ...options))).flat();
}

function describeAppend(under: EngineUnderTest): void {
  test("append() numbers a shard's records in the order of the calls, above 0", async () => {
    const { log } = await under.open();
    const results = await Promise.all(
      ["a", "b", "c"].map((payload) => log.append(tenant, record("t", payload))),
    );
    expect(results[0]!.seq).toBeGreaterThan(0);
    expect(results[1]!.seq).toBeGreaterThan(results[0]!.seq);
    expect(results[2]!.seq).toBeGreaterThan(results[1]!.seq);
    expect(results.map((result) => result.shard)).toEqual(results.map(() => log.shardOf(tenant, "t")));
    expect(results.map((result) => result.duplicate)).toEqual([false, false, false]);
  });

  test("append() resolves, and tail is called, after the tick of the call; promises settle in the order of the calls", async () => {
    const { log } = await under.open();
    const seen: string[] = [];
    log.tail(tenant, {}, (stored) => seen.push(`tail ${textOf(stored)}`));
    const appends = ["a", "b"].map((payload) =>
      log.append(tenant, record("t", payload)).then(() => seen.push(`ack ${payload}`)),
    );
    expect(seen).toEqual([]);
    await Promise.all(appends);
    expect(seen.filter((event) => event.startsWith("ack"))).toEqual(["ack a", "ack b"]);
  });

  test("append() resolves only when every live tail of this node has been called with the record", async () => {
    const { log } = await under.open();
    const seen: string[][] = [[], []];
    for (const events of seen) log.tail(tenant, {}, (stored) => events.push(textOf(stored)));
    await log.append(tenant, record("t", "first"));
    await until(() => seen.every((events) => events.length === 1));
    const atAck: string[][] = [];
    await Promise.all(
      ["a", "b", "c"].map(async (payload) => {
        await log.append(tenant, record("t", payload));
        atAck.push(seen.map((events) => (events.includes(payload) ? payload : "missing")));
      }),
    );
    expect(atAck).toEqual([
      ["a", "a"],
      ["b", "b"],
      ["c", "c"],
    ]);
  });

  test("append() resolves only when read() and fetch() show the record", async () => {
    const engine = await under.open();
    const { shard, seq } = await engine.log.append(tenant, record("t", "a"));
    expect((await readAll(engine, {})).map(textOf)).toEqual(["a"]);
    expect((await engine.log.fetch(tenant, shard, [seq])).map(textOf)).toEqual(["a"]);
  });

  test("append() copies payload and correlation data before it returns, and keeps every field", async () => {
    const { log } = await under.open();
    const payload = new Uint8Array([1, 2, 3]);
    const correlationData = new Uint8Array([9]);
    const full: LogRecord = {
      ...record("data/u1/s1"),
      payload,
      qos: 2,
      retain: true,
      properties: {
        contentType: "text/plain",
        responseTopic: "r",
        correlationData,
        userProperties: [
          ["a", "1"],
          ["a", "2"],
        ],
      },
      expiresAtMs: 1_700_000_001_000,
      inbound: { incarnation: "i1", packetId: 7 },
    };
    const expected = {
      ...full,
      payload: payload.slice(),
      properties: { ...full.properties, correlationData: correlationData.slice() },
    };
    const appended = log.append(tenant, full);
    payload.fill(0);
    correlationData.fill(0);
    const { shard, seq } = await appended;
    const [stored] = await log.fetch(tenant, shard, [seq]);
    expect(stored).toMatchObject({ shard, seq, record: expected });
  });

  test.each([0, 1, 64, 65, 4_096, 4_097, 100_000])(
    "append() keeps a payload of %i bytes as it was",
    async (length) => {
      const { log } = await under.open();
      const payload = Uint8Array.from({ length }, (_, index) => index % 251);
      const { shard, seq } = await log.append(tenant, { ...record("t"), payload });
      await log.append(tenant, { ...record("t"), payload: payload.map(() => 255) });
      const [stored] = await log.fetch(tenant, shard, [seq]);
      expect(Buffer.compare(stored!.record.payload, payload)).toBe(0);
    },
  );

  test("tenants have logs of their own", async () => {
    const engine = await under.open();
    await engine.log.append("a", record("t", "of a"));
    await engine.log.append("b", record("t", "of b"));
    expect((await collect(engine.log.read("a", {}))).flat().map(textOf)).toEqual(["of a"]);
  });
}

function describeIds(under: EngineUnderTest): void {
  test("append() with the same id appends once and returns the first place", async () => {
    const engine = await under.open();
    const first = await engine.log.append(tenant, record("t", "a"), "id1");
    const again = await engine.log.append(tenant, record("t", "a"), "id1");
    expect(again).toEqual({ ...first, duplicate: true });
    expect(await readAll(engine, {})).toHaveLength(1);
  });

  test("append() with the same id before the first has resolved appends once, and resolves not before the first", async () => {
    const engine = await under.open();
    const order: string[] = [];
    const first = engine.log
      .append(tenant, record("t", "a"), "id1")
      .then((result) => (order.push("first"), result));
    const again = engine.log
      .append(tenant, record("t", "a"), "id1")
      .then((result) => (order.push("again"), result));
    expect((await again).seq).toBe((await first).seq);
    expect(order).toEqual(["first", "again"]);
    expect(await readAll(engine, {})).toHaveLength(1);
  });

  test("the same id in another tenant is another id", async () => {
    const { log } = await under.open();
    await log.append("a", record("t"), "id1");
    expect((await log.append("b", record("t"), "id1")).duplicate).toBe(false);
  });

  test("lookup() tells the place of an append, also of one just called, and undefined for an unknown id", async () => {
    const { log } = await under.open();
    const appended = log.append(tenant, record("t"), "id1");
    const found = await log.lookup(tenant, "id1");
    expect(found).toMatchObject({ shard: (await appended).shard, seq: (await appended).seq });
    expect(await log.lookup(tenant, "id2")).toBeUndefined();
  });
}

function describeTail(under: EngineUnderTest): void {
  test("tail() from a position shows every record after it, in order, then the new ones", async () => {
    const engine = await under.open();
    const seqs = await appendAll(engine, ["a", "b", "c"]);
    const seen: string[] = [];
    engine.log.tail(tenant, { [engine.log.shardOf(tenant, "data/u1/s1")]: seqs[0]! }, (stored) =>
      seen.push(textOf(stored)),
    );
    expect(seen).toEqual([]);
    await appendAll(engine, ["d"]);
    await until(() => seen.length >= 3);
    expect(seen).toEqual(["b", "c", "d"]);
  });

  test("tail() has no gap and no duplicate where it catches up while others append", async () => {
    const engine = await under.open();
    await appendAll(
      engine,
      Array.from({ length: 5_000 }, (_, index) => String(index)),
    );
    const seen: string[] = [];
    engine.log.tail(tenant, {}, (stored) => seen.push(textOf(stored)));
    for (let round = 50; round < 100; round++) {
      await appendAll(
        engine,
        Array.from({ length: 100 }, (_, index) => String(round * 100 + index)),
      );
      if (round % 10 === 0) await quiet();
    }
    await until(() => seen.length >= 10_000);
    await quiet();
    expect(seen).toEqual(Array.from({ length: 10_000 }, (_, index) => String(index)));
  });

  test("tail() calls nobody after stop(), also from within a callback, and leaves other tails alone", async () => {
    const engine = await under.open();
    const seen: string[] = [];
    const other: string[] = [];
    const tail = engine.log.tail(tenant, {}, (stored) => {
      seen.push(textOf(stored));
      if (seen.length === 2) tail.stop();
    });
    engine.log.tail(tenant, {}, (stored) => other.push(textOf(stored)));
    await appendAll(engine, ["a", "b", "c"]);
    await until(() => other.length === 3);
    await quiet();
    expect(seen).toEqual(["a", "b"]);
  });

  test("tail() stopped at once is never called", async () => {
    const engine = await under.open();
    await appendAll(engine, ["a"]);
    let calls = 0;
    engine.log.tail(tenant, {}, () => (calls += 1)).stop();
    await appendAll(engine, ["b"]);
    await quiet();
    expect(calls).toBe(0);
  });

  test("an append from within a tail's callback is shown after it, in order", async () => {
    const engine = await under.open();
    const seen: string[] = [];
    engine.log.tail(tenant, {}, (stored) => {
      seen.push(`begin ${textOf(stored)}`);
      if (textOf(stored) === "a") void appendAll(engine, ["b"]);
      seen.push(`end ${textOf(stored)}`);
    });
    await appendAll(engine, ["a"]);
    await until(() => seen.length === 4);
    expect(seen).toEqual(["begin a", "end a", "begin b", "end b"]);
  });
}

function describeRead(under: EngineUnderTest): void {
  test("read() gives what is there after a position, up to another, in order", async () => {
    const engine = await under.open();
    const seqs = await appendAll(engine, ["a", "b", "c", "d"]);
    const shard = engine.log.shardOf(tenant, "data/u1/s1");
    const stored = await readAll(engine, { [shard]: seqs[0]! }, { to: { [shard]: seqs[2]! } });
    expect(stored.map(textOf)).toEqual(["b", "c"]);
  });

  test("read() gives only records whose topic matches one of the filters [MQTT-4.7.2-1]", async () => {
    const engine = await under.open();
    const topics = ["data/u1/s1", "data/u2/s1", "data/u1", "other", "$audit/x"];
    for (const topic of topics) await engine.log.append(tenant, record(topic, topic));
    const read = async (...filters: string[]): Promise<string[]> =>
      (await readAll(engine, {}, { filters })).map(textOf).toSorted();
    expect(await read("data/u1/#")).toEqual(["data/u1", "data/u1/s1"]);
    expect(await read("data/+/s1", "other")).toEqual(["data/u1/s1", "data/u2/s1", "other"]);
    expect(await read("#")).toEqual(["data/u1", "data/u1/s1", "data/u2/s1", "other"]);
    expect(await read("$audit/#")).toEqual(["$audit/x"]);
    expect(await read()).toEqual([]);
  });

  test("read() stops at the limit, and where the signal is aborted", async () => {
    const engine = await under.open();
    await appendAll(
      engine,
      Array.from({ length: 3_000 }, (_, index) => String(index)),
    );
    expect(await readAll(engine, {}, { limit: 7 })).toHaveLength(7);
    const signal = { aborted: false };
    let read = 0;
    for await (const batch of engine.log.read(tenant, {}, { signal })) {
      read += batch.length;
      signal.aborted = true;
    }
    expect(read).toBeLessThan(3_000);
    expect(await readAll(engine, {})).toHaveLength(3_000);
  });

  test("fetch() gives records in the order asked for and leaves out what is gone or never was", async () => {
    const engine = await under.open();
    const shard = engine.log.shardOf(tenant, "data/u1/s1");
    const [a, b, c] = await appendAll(engine, ["a", "b", "c"]);
    const stored = await engine.log.fetch(tenant, shard, [c!, 0, a!, c! + 1_000_000, b!]);
    expect(stored.map(textOf)).toEqual(["c", "a", "b"]);
    expect(await engine.log.fetch(tenant, shard, [])).toEqual([]);
  });
}

function describeBounds(under: EngineUnderTest): void {
  test("bounds() tells the last number given, the lowest that may be there, and the bytes held", async () => {
    const engine = await under.open();
    const shard = engine.log.shardOf(tenant, "data/u1/s1");
    const empty = engine.log.bounds(tenant, shard);
    expect(empty.first).toBe(empty.head + 1);
    const appended = appendAll(engine, ["a", "b"]);
    expect(engine.log.bounds(tenant, shard).head).toBeGreaterThanOrEqual(empty.head + 2);
    const seqs = await appended;
    const bounds = engine.log.bounds(tenant, shard);
    expect(bounds.head).toBe(seqs[1]);
    expect(bounds.first).toBeLessThanOrEqual(seqs[0]!);
    expect(bounds.bytes).toBeGreaterThan(empty.bytes);
  });

  test("release() leaves what keep names and everything from `before` on", async () => {
    const engine = await under.open();
    const shard = engine.log.shardOf(tenant, "data/u1/s1");
    const seqs = await appendAll(
      engine,
      Array.from({ length: 3_000 }, (_, index) => String(index)),
    );
    const before = seqs[2_900]!;
    const kept = new Set([seqs[3]!, seqs[1_500]!]);
    engine.log.release(tenant, shard, before, (seq) => kept.has(seq));
    const needed = [...kept, ...seqs.filter((seq) => seq >= before)];
    expect((await engine.log.fetch(tenant, shard, needed)).map((stored) => stored.seq)).toEqual(needed);
    expect((await readAll(engine, {})).map((stored) => stored.seq)).toEqual(expect.arrayContaining(needed));
    expect(engine.log.bounds(tenant, shard).first).toBeLessThanOrEqual(seqs[3]!);
  });

  test(
    "a full log loses its oldest records, and fetch() leaves them out",
    needs(under, "openBounded"),
    async () => {
      const engine = await under.openBounded(200_000);
      const shard = engine.log.shardOf(tenant, "data/u1/s1");
      const seqs = await appendAll(
        engine,
        Array.from({ length: 400 }, () => "x".repeat(2_000)),
      );
      const bounds = engine.log.bounds(tenant, shard);
      expect(bounds.bytes).toBeLessThanOrEqual(200_000);
      expect(bounds.first).toBeGreaterThan(seqs[0]!);
      expect(bounds.head).toBe(seqs.at(-1));
      expect(
        (await engine.log.fetch(tenant, shard, [seqs[0]!, seqs.at(-1)!])).map((stored) => stored.seq),
      ).toEqual([seqs.at(-1)]);
    },
  );

  test("forget() leaves nothing of a tenant, and of the others everything", async () => {
    const { log } = await under.open();
    for (const name of ["a", "b"]) await log.append(name, record("t", `of ${name}`), `id of ${name}`);
    await log.forget("a");
    expect(await collect(log.read("a", {}))).toEqual([]);
    expect(await log.lookup("a", "id of a")).toBeUndefined();
    expect(log.bounds("a", log.shardOf("a", "t"))).toMatchObject({ head: 0, bytes: 0 });
    expect((await collect(log.read("b", {}))).flat().map(textOf)).toEqual(["of b"]);
  });

  test("interest() resolves for what is registered and withdrawn", async () => {
    const { log } = await under.open();
    await expect(log.interest(tenant, "data/#", 1)).resolves.toBeUndefined();
    await expect(log.interest(tenant, "data/#", -1)).resolves.toBeUndefined();
  });
}

export function describeLog(under: EngineUnderTest): void {
  describe("log: append", () => describeAppend(under));
  describe("log: ids", () => describeIds(under));
  describe("log: tail", () => describeTail(under));
  describe("log: read and fetch", () => describeRead(under));
  describe("log: bounds and release", () => describeBounds(under));
}
