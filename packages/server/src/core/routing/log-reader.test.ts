import { describe, expect, it } from "vitest";
import { Random } from "../../../testing/random.ts";
import { LogReader, type OutboxSource } from "./log-reader.ts";
import type { QueueBounds } from "./queue-bounds.ts";
import { NeededRecords } from "./needed-records.ts";
import { Outbox } from "./outbox.ts";

/** The router's part: outboxes by filter, and a tail that notes each record in those that match. */
class Outboxes implements OutboxSource {
  readonly open = new Map<string, Outbox>();
  readonly frozen = new Set<Outbox>();
  tailSeq = 0;

  openOutbox(filter: string): Outbox {
    const outbox = this.open.get(filter) ?? new Outbox(filter);
    this.open.set(filter, outbox);
    return outbox;
  }

  closeOutbox(outbox: Outbox): void {
    if (!this.frozen.delete(outbox)) this.open.delete(outbox.filter);
  }

  openFrozen(): Outbox {
    const outbox = new Outbox("");
    this.frozen.add(outbox);
    return outbox;
  }

  seqBefore(): number {
    return 0;
  }
}

/** One reader and what a naive model says of it. */
interface Modelled {
  readonly reader: LogReader;
  readonly filters: Map<string, number>;
  waiting: Set<number>;
  readonly taken: number[];
  readonly expected: number[];
}

const filters = ["f1", "f2", "f3"];

class Model {
  readonly source = new Outboxes();
  readonly random: Random;
  readonly readers: readonly Modelled[];

  constructor(seed: number) {
    this.random = new Random(seed);
    this.readers = [1, 2, 3].map(() => ({
      reader: new LogReader(this.source, 0),
      filters: new Map(),
      waiting: new Set(),
      taken: [],
      expected: [],
    }));
  }

  /** A record that matches some filters; live readers may take it or fall behind. */
  record(): void {
    const matching = filters.filter(() => this.random.chance(0.5));
    const seq = this.source.tailSeq + 1;
    for (const one of this.readers) {
      if (!matching.some((filter) => one.filters.has(filter))) continue;
      one.expected.push(seq);
      if (one.reader.isLive && this.random.chance(0.7)) one.taken.push(seq);
      else {
        one.reader.fallBehind(seq - 1);
        one.waiting.add(seq);
      }
    }
    for (const filter of matching) this.source.open.get(filter)?.note(seq, 1, undefined);
    this.source.tailSeq = seq;
  }

  step(): void {
    const { random } = this;
    const one = random.pick(this.readers);
    const dice = random.below(10);
    if (dice < 5) this.record();
    else if (dice < 6) this.hold(one, random.pick(filters));
    else if (dice < 7) this.retire(one, random.pick(filters));
    else if (dice < 8) one.reader.fallBehind(this.source.tailSeq);
    else this.take(one);
    for (const outbox of this.source.open.values()) outbox.trim();
  }

  hold({ reader, filters: held }: Modelled, filter: string): void {
    reader.hold(filter);
    held.set(filter, (held.get(filter) ?? 0) + 1);
  }

  retire({ reader, filters: held }: Modelled, filter: string): void {
    reader.retire(filter);
    const holds = (held.get(filter) ?? 0) - 1;
    if (holds > 0) held.set(filter, holds);
    else held.delete(filter);
  }

  /** Some of what waits, in order; where nothing does, it goes live. */
  take(one: Modelled): void {
    if (one.reader.isLive) return;
    const limit = 1 + this.random.below(4);
    const seqs = one.reader.peek(limit);
    expect(seqs).toEqual([...one.waiting].sort((a, b) => a - b).slice(0, limit));
    for (const seq of seqs) {
      one.reader.take(seq);
      one.waiting.delete(seq);
      one.taken.push(seq);
    }
    if (seqs.length === 0) one.reader.goLive();
  }

  drain(): void {
    for (const one of this.readers) while (!one.reader.isLive) this.take(one);
  }
}

function waitingReader(source: Outboxes, ...seqs: readonly number[]): LogReader {
  const reader = new LogReader(source, 0);
  reader.hold("f1");
  for (const seq of seqs) {
    source.open.get("f1")?.note(seq, 1, undefined);
    source.tailSeq = seq;
  }
  return reader;
}

function oldestBeyond(messages: number): QueueBounds {
  return { messages, bytes: Infinity, ageMs: Infinity, policy: "drop-oldest" };
}

describe("LogReader over shared outboxes", () => {
  it.each(Array.from({ length: 50 }, (_, index) => index + 1))(
    "brings each record once and in order to every reader that holds a filter: seed %i",
    (seed) => {
      const model = new Model(seed);
      for (let step = 0; step < 300; step += 1) model.step();
      model.drain();
      for (const { taken, expected } of model.readers) expect(taken).toEqual(expected);
      expect(model.source.frozen.size).toBe(0);
      const left = new NeededRecords();
      for (const outbox of model.source.open.values()) {
        outbox.trim();
        for (const _ of outbox.collect(left));
      }
      expect(left.size).toBe(0);
    },
  );

  it("notes nothing while all are live, and closes an outbox that nobody holds", () => {
    const source = new Outboxes();
    const reader = new LogReader(source, 0);
    reader.hold("f1");
    reader.goLive();
    source.open.get("f1")?.note(1, 1, undefined);
    expect(reader.waiting).toBe(0);
    reader.drop("f1");
    expect(source.open.size).toBe(0);
  });

  it("cut by drop-oldest leaves the newest, and the cursor behind them", () => {
    const reader = waitingReader(new Outboxes(), 3, 5, 8, 9);
    expect(reader.cut(oldestBeyond(2))?.excess.messages).toBe(2);
    expect(reader.peek(10)).toEqual([8, 9]);
    expect(reader.position).toBe(5);
    expect(reader.cut(oldestBeyond(2))).toBeUndefined();
  });

  it("does not count, or drop for, what it had taken before a restart, though others still wait for it", () => {
    const source = new Outboxes();
    const away = new LogReader(source, 0);
    const reader = new LogReader(source, 5);
    away.hold("f1", 0);
    reader.hold("f1", 5);
    for (const seq of [1, 2, 3, 4, 5, 6, 7]) source.open.get("f1")?.note(seq, 1, undefined);
    expect([away.waiting, reader.waiting]).toEqual([7, 2]);
    expect(reader.cut(oldestBeyond(2))).toBeUndefined();
    expect(reader.peek(10)).toEqual([6, 7]);
  });

  it("skips what it had taken before a restart also while the outbox is still being filled", () => {
    const source = new Outboxes();
    const reader = new LogReader(source, 5);
    reader.hold("f1", 5);
    for (const seq of [1, 2, 3, 4, 5, 6, 7]) {
      source.open.get("f1")?.note(seq, 1, undefined);
      expect(reader.peek(10)).toEqual([6, 7].filter((one) => one <= seq));
    }
  });

  it("freeze keeps what waits up to a record, collects nothing more, and ends when all is taken", () => {
    const source = new Outboxes();
    const reader = waitingReader(source, 1, 2, 3);
    reader.freeze(2);
    expect(source.open.size).toBe(0);
    expect(reader.peek(10)).toEqual([1, 2]);
    reader.take(2);
    reader.goLive();
    expect([source.frozen.size, reader.isLive]).toEqual([0, true]);
  });

  it("drop forgets what waits, retire keeps it beside what other filters bring", () => {
    const source = new Outboxes();
    const dropping = waitingReader(source, 1, 2);
    const retiring = waitingReader(source);
    retiring.hold("f2");
    source.open.get("f1")?.note(3, 1, undefined);
    source.open.get("f2")?.note(3, 1, undefined);
    source.open.get("f1")?.note(4, 1, undefined);
    dropping.drop("f1");
    retiring.retire("f1");
    source.open.get("f2")?.note(5, 1, undefined);
    expect(dropping.peek(10)).toEqual([]);
    expect(retiring.peek(10)).toEqual([3, 4, 5]);
  });
});
