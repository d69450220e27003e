import { FakeClock } from "@weir/testkit";
import { describe, expect, it } from "vitest";
import { openMemoryEngine } from "../../engine/memory/memory-engine.ts";
import type { StoredRecord } from "../ports/engine.ts";
import { Histories } from "./histories.ts";
import { History } from "./history.ts";
import { parseHistory } from "./history-declaration.ts";

function record(seq: number, publishedAtMs: number, bytes = 100): StoredRecord {
  const publisher = { sessionKey: "", realm: "", subject: "", clientId: "" };
  return {
    shard: 0,
    seq,
    record: {
      topic: "t",
      payload: new Uint8Array(bytes - 65),
      qos: 0,
      retain: false,
      properties: undefined,
      publishedAtMs,
      expiresAtMs: Infinity,
      publisher,
      inbound: undefined,
    },
  };
}

function historyOf(bounds: object, seqs: readonly number[]): History {
  const history = new History("h", parseHistory({ filter: "t", ...bounds }), { keptFrom: 0, keptFromMs: 0 });
  history.rebuilt();
  for (const seq of seqs) history.note(record(seq, seq * 1_000));
  return history;
}

const hundred = Array.from({ length: 100 }, (_, index) => index + 1);

describe("History", () => {
  it("lets go what is older than maxAge, and no more than a 64th of it too much", () => {
    const history = historyOf({ maxAge: 64 }, hundred);
    expect(history.trim(100_000)).toBe(true);
    expect(history.completeFrom).toBeGreaterThanOrEqual(35);
    expect(history.completeFrom).toBeLessThanOrEqual(37);
    expect([history.has(35), history.has(40), history.needs(100)]).toEqual([false, true, true]);
    expect(history.trim(100_000)).toBe(false);
  });

  it("lets go what is more than maxBytes", () => {
    const history = historyOf({ maxBytes: 5_000 }, hundred);
    history.trim(0);
    expect(history.bytes).toBeLessThanOrEqual(5_000);
    expect(history.completeFrom).toBe(50);
  });

  it("finds where the records of a time begin", () => {
    const history = historyOf({ maxAge: 6_400 }, hundred);
    expect(history.before(60_000)).toBeLessThan(60);
    expect(historyOf({ maxAge: 64 }, hundred).before(60_000)).toBeGreaterThan(55);
    expect(history.before(0)).toBe(0);
  });

  it("waits with new records until the older ones were read", () => {
    const history = new History("h", parseHistory({ filter: "t", maxAge: 1 }), {
      keptFrom: 5,
      keptFromMs: 0,
    });
    history.note(record(20, 20_000));
    expect(history.trim(100_000)).toBe(false);
    for (const seq of [7, 9]) history.recover(record(seq, 1_000));
    history.rebuilt();
    expect([3, 7, 8, 9, 20].map((seq) => history.has(seq))).toEqual([false, true, false, true, true]);
  });
});

describe("a history that missed a message", () => {
  it("keeps what it has, and does not promise any more what lies before", () => {
    const history = historyOf({}, hundred);
    history.missed(50, 50_000);
    expect([history.completeFrom, history.completeFromMs, history.has(20)]).toEqual([50, 50_000, true]);
  });
});

describe("Histories", () => {
  const engine = openMemoryEngine({ clock: new FakeClock() });
  const declaration = parseHistory({ filter: "data/#" });
  const now = (head: number): { head: number; nowMs: number } => ({ head, nowMs: head * 1_000 });

  it("goes on where it was saved under the same name and filter, else begins at the log's head", async () => {
    const before = new Histories(engine.kv("a"));
    before.declare("x", declaration, now(10));
    before.declare("y", declaration, now(20));
    await before.save();
    const after = new Histories(engine.kv("a"));
    await after.load();
    expect(after.declare("x", declaration, now(100)).completeFrom).toBe(10);
    expect(after.declare("y", parseHistory({ filter: "data/y" }), now(100)).completeFrom).toBe(100);
    expect(after.declare("z", declaration, now(5)).completeFrom).toBe(5);
  });

  it("begins anew when it was withdrawn, and promises what one history has wholly", async () => {
    const histories = new Histories(engine.kv("b"));
    histories.declare("x", declaration, now(10));
    await histories.save();
    expect(histories.covering(["data", "+", "s1"])?.completeFrom).toBe(10);
    expect(histories.covering(["#"])).toBeUndefined();
    histories.withdraw("x");
    expect(histories.covering(["data", "u1"])).toBeUndefined();
    expect(histories.declare("x", declaration, now(30)).completeFrom).toBe(30);
  });
});

describe("parseHistory", () => {
  it.each([
    [{ filter: "a/#/b" }, /^filter: must be a topic filter/],
    [{ filter: "$share/g/a" }, /^filter: \$share/],
    [{ filter: "$client/expiring" }, /^filter: \$share and \$client/],
    [{ filter: "a", maxAge: 0 }, /^maxAge: must be a whole number of seconds/],
    [{ filter: "a", maxBytes: 1.5 }, /^maxBytes: must be a whole number of bytes/],
    [{ filter: "a", verifiedPublisher: "yes" }, /^verifiedPublisher: must be true or false/],
    [{ filter: "a", maxage: 5 }, /^maxage: is not known; possible are filter, maxAge/],
    ["a", /^must be an object/],
  ])("refuses %j", (value, message) => {
    expect(() => parseHistory(value)).toThrow(message);
  });
});
