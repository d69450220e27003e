import { describe, expect, it } from "vitest";
import { Random } from "../../../testing/random.ts";
import { type QueuePolicy, queuePolicies } from "../access/principal-limits.ts";
import { LogReader, type OutboxSource } from "./log-reader.ts";
import { NeededRecords } from "./needed-records.ts";
import { Outbox } from "./outbox.ts";
import type { QueueBounds } from "./queue-bounds.ts";

interface Noted {
  readonly seq: number;
  readonly bytes: number;
  readonly topic: string;
  readonly atMs: number;
}

/** The router's part: one outbox, and a clock. */
class Source implements OutboxSource {
  outbox = new Outbox("f");
  tailSeq = 0;
  nowMs = 0;
  noted: Noted[] = [];

  openOutbox(): Outbox {
    return this.outbox;
  }

  openFrozen(): Outbox {
    return new Outbox("");
  }

  closeOutbox(): void {}

  seqBefore(ageMs: number): number {
    return this.noted.findLast(({ atMs }) => atMs < this.nowMs - ageMs)?.seq ?? 0;
  }

  note(bytes: number, topic: string): void {
    this.tailSeq += 1;
    this.noted.push({ seq: this.tailSeq, bytes, topic, atMs: this.nowMs });
    this.outbox.note(this.tailSeq, bytes, topic);
  }

  /** As recovery does: the same records into a new outbox. */
  restart(): void {
    this.outbox = new Outbox("f");
  }

  replay(): void {
    for (const { seq, bytes, topic } of this.noted) this.outbox.note(seq, bytes, topic);
  }
}

/** A queue as one would write it down, without sharing and without haste. */
class NaiveQueue {
  readonly bounds: QueueBounds;
  waiting: Noted[] = [];
  dropped = 0;
  /** Up to here what is replaced goes by itself. */
  #reach = 0;

  constructor(bounds: QueueBounds) {
    this.bounds = bounds;
  }

  note(noted: Noted): void {
    this.waiting.push(noted);
  }

  take(count: number): void {
    this.waiting.splice(0, count);
  }

  /** What a later one has replaced, within reach. */
  conflate(): void {
    const latest = new Map(this.waiting.map(({ topic, seq }) => [topic, seq]));
    this.#keep(({ seq, topic }) => seq > this.#reach || latest.get(topic) === seq);
  }

  cut(source: Source): void {
    const { policy, ageMs } = this.bounds;
    const oldest = source.seqBefore(ageMs);
    this.conflate();
    if (policy === "disconnect" || !this.#isOver(oldest)) return;
    this.#keep(({ seq }) => seq > oldest);
    if (policy === "latest-per-topic" && this.#isOver(0)) {
      this.#reach = source.tailSeq;
      this.conflate();
    }
    while (this.#isOver(0)) this.#dropOne(policy);
  }

  get isOver(): boolean {
    return this.#isOver(0);
  }

  #isOver(oldest: number): boolean {
    const bytes = this.waiting.reduce((sum, one) => sum + one.bytes, 0);
    const isOld = this.waiting.some(({ seq }) => seq <= oldest);
    return this.waiting.length > this.bounds.messages || bytes > this.bounds.bytes || isOld;
  }

  /** Of the newest goes everything behind the first that was too much. */
  #dropOne(policy: QueuePolicy): void {
    if (policy === "drop-newest") this.waiting.pop();
    else this.waiting.shift();
    this.dropped += 1;
  }

  #keep(isKept: (noted: Noted) => boolean): void {
    const kept = this.waiting.filter(isKept);
    this.dropped += this.waiting.length - kept.length;
    this.waiting = kept;
  }
}

interface Pair {
  reader: LogReader;
  readonly naive: NaiveQueue;
  dropped: number;
  /** It has taken something, or begun anew. */
  hasMoved: boolean;
}

/** Readers of one outbox with policies of their own, and what a naive queue says of each. */
class Model {
  readonly source = new Source();
  readonly random: Random;
  readonly pairs: Pair[];

  constructor(seed: number, policies: readonly QueuePolicy[]) {
    this.random = new Random(seed);
    this.pairs = policies.map((policy) => this.pairOf(policy));
  }

  pairOf(policy: QueuePolicy): Pair {
    const messages = 1 + this.random.below(600);
    const bounds = {
      messages,
      bytes: 200 + this.random.below(60_000),
      ageMs: 1_000 + this.random.below(9_000),
      policy,
    };
    const reader = new LogReader(this.source, 0);
    reader.follow(policy);
    reader.hold("f");
    return { reader, naive: new NaiveQueue(bounds), dropped: 0, hasMoved: false };
  }

  step(): void {
    const { random, source } = this;
    const dice = random.below(10);
    if (dice < 6) for (let left = random.below(300); left > 0; left -= 1) this.note();
    else if (dice < 7) this.take(random.pick(this.pairs), random.below(400));
    else if (dice < 8) source.nowMs += random.below(2_000);
    else if (dice < 9) source.outbox.trim();
    else this.restart();
    for (const pair of this.pairs) this.cut(pair);
  }

  note(): void {
    const { random, source } = this;
    source.note(random.below(200), `t${random.below(random.pick([3, 400]))}`);
    for (const { naive } of this.pairs) naive.note(source.noted.at(-1) as Noted);
  }

  take(pair: Pair, count: number): void {
    const seqs = pair.reader.peek(count);
    for (const seq of seqs) pair.reader.take(seq);
    pair.naive.take(seqs.length);
    pair.hasMoved = true;
  }

  cut({ naive, reader }: Pair, pair: Pair = this.pairs.find((one) => one.reader === reader) as Pair): void {
    const cut = reader.cut(naive.bounds);
    naive.cut(this.source);
    expect(cut?.isOver ?? false).toBe(naive.bounds.policy === "disconnect" && this.isOver(naive));
    pair.dropped += (cut?.old.messages ?? 0) + (cut?.excess.messages ?? 0);
    expect(reader.peek(Infinity)).toEqual(naive.waiting.map(({ seq }) => seq));
    const bytes = naive.waiting.reduce((sum, one) => sum + one.bytes, 0);
    expect(reader.size).toEqual({ messages: naive.waiting.length, bytes });
    // What is replaced while the reader goes on may be missing in the count
    if (naive.bounds.policy !== "latest-per-topic" || !pair.hasMoved)
      expect(pair.dropped).toBe(naive.dropped);
    else expect(pair.dropped).toBeLessThanOrEqual(naive.dropped);
  }

  isOver(naive: NaiveQueue): boolean {
    const oldest = this.source.seqBefore(naive.bounds.ageMs);
    return naive.isOver || naive.waiting.some(({ seq }) => seq <= oldest);
  }

  /** Cursors are saved, and everything else is gone. */
  restart(): void {
    const saved = this.pairs.map(({ reader }) => ({ position: reader.position, drops: reader.drops }));
    this.source.restart();
    for (const [index, { position, drops }] of saved.entries()) {
      const pair = this.pairs[index] as Pair;
      pair.reader = new LogReader(this.source, position, structuredClone(drops));
      pair.reader.follow(pair.naive.bounds.policy);
      pair.reader.hold("f", position);
      pair.hasMoved = true;
    }
    this.source.replay();
  }

  /** What the log has to keep. */
  needed(): NeededRecords {
    const needed = new NeededRecords();
    this.source.outbox.trim();
    for (const _ of this.source.outbox.collect(needed));
    return needed;
  }
}

describe("a queue at its bounds", () => {
  it.each(Array.from({ length: 12 }, (_, index) => index + 1))(
    "drops and keeps what a naive queue would, whoever shares the outbox, also through restarts: seed %i",
    (seed) => {
      const model = new Model(seed, [...queuePolicies, "drop-oldest", "latest-per-topic"]);
      for (let step = 0; step < 40; step += 1) model.step();
      const needed = model.needed();
      for (const { reader } of model.pairs)
        for (const seq of reader.peek(Infinity)) expect(needed.has(seq)).toBe(true);
    },
  );

  it.each(["drop-oldest", "drop-newest", "latest-per-topic"] as const)(
    "leaves to the log nothing but what still waits: %s",
    (policy) => {
      for (let seed = 1; seed <= 5; seed += 1) {
        const model = new Model(seed, [policy]);
        for (let step = 0; step < 40; step += 1) model.step();
        const waiting = model.pairs[0]?.reader.peek(Infinity) ?? [];
        const needed = model.needed();
        expect([needed.size, waiting.every((seq) => needed.has(seq))]).toEqual([waiting.length, true]);
      }
    },
  );

  it("keeps no memory of a million messages that everybody has dropped", () => {
    const source = new Source();
    const reader = new LogReader(source, 0);
    const bounds = { messages: 10, bytes: Infinity, ageMs: Infinity } as const;
    reader.hold("f");
    for (let round = 0; round < 40; round += 1) {
      for (let left = 1_000; left > 0; left -= 1) source.note(1, "t");
      reader.cut({ ...bounds, policy: "drop-newest" });
      source.outbox.trim();
    }
    expect(source.outbox.chunkCount).toBeLessThan(4);
    expect(reader.peek(20)).toHaveLength(10);
  });
});
