import { describe, expect, it } from "vitest";
import type { Message } from "../ports/message.ts";
import { type FeedSink, LogFeed, type MessageSource } from "./log-feed.ts";
import { LogReader, type OutboxSource } from "./log-reader.ts";
import { Outbox } from "./outbox.ts";
import { messageOf } from "../../../testing/test-message.ts";

/** A log that answers when it is told to, a sink with as much room as it is given, and the feed between them. */
class Feeding implements OutboxSource, MessageSource, FeedSink {
  readonly outbox = new Outbox("f");
  readonly feed: LogFeed;
  readonly got: number[] = [];
  readonly gone = new Set<number>();
  tailSeq = 0;
  room = Infinity;
  lostCount = 0;
  failures: unknown[] = [];
  #waiting: (() => void)[] = [];
  #failure: Error | undefined;

  constructor() {
    const reader = new LogReader(this, 0);
    reader.hold("f");
    this.feed = new LogFeed(reader, this, this);
  }

  openOutbox(): Outbox {
    return this.outbox;
  }

  openFrozen(): Outbox {
    return new Outbox("");
  }

  seqBefore(): number {
    return 0;
  }

  closeOutbox(): void {}

  readonly isRecovered = true;

  async fetch(seqs: readonly number[]): Promise<{ seq: number; message: Message }[]> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#failure) throw this.#failure;
    return seqs
      .filter((seq) => !this.gone.has(seq))
      .map((seq) => ({ seq, message: messageOf("t", String(seq)) }));
  }

  takeLogged(_message: Message, seq: number): boolean {
    if (this.room <= 0) return false;
    this.room -= 1;
    this.got.push(seq);
    return true;
  }

  lost(count: number): void {
    this.lostCount += count;
  }

  feedFailed(error: unknown): void {
    this.failures.push(error);
  }

  record(): void {
    const seq = this.tailSeq + 1;
    this.feed.offer(messageOf("t", String(seq)), seq);
    this.outbox.note(seq, 1, undefined);
    this.tailSeq = seq;
  }

  async answer(failure?: Error): Promise<void> {
    this.#failure = failure;
    for (const resolve of this.#waiting.splice(0)) resolve();
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  }
}

describe("LogFeed", () => {
  it("reads what waits, then goes over to the tail", async () => {
    const feeding = new Feeding();
    for (let count = 0; count < 3; count += 1) feeding.record();
    feeding.feed.pump();
    feeding.record(); // while the log is asked
    await feeding.answer();
    await feeding.answer();
    expect([feeding.got, feeding.feed.reader.isLive]).toEqual([[1, 2, 3, 4], true]);
    feeding.record();
    expect(feeding.got).toEqual([1, 2, 3, 4, 5]);
  });

  it("stops where the sink has enough, and goes on there", async () => {
    const feeding = new Feeding();
    feeding.feed.pump();
    feeding.room = 2;
    for (let count = 0; count < 5; count += 1) feeding.record();
    expect(feeding.got).toEqual([1, 2]);
    feeding.room = 1;
    feeding.feed.pump();
    await feeding.answer();
    expect(feeding.got).toEqual([1, 2, 3]);
    feeding.room = Infinity;
    feeding.feed.pump();
    await feeding.answer();
    expect(feeding.got).toEqual([1, 2, 3, 4, 5]);
  });

  it("tells what the log no longer has, once, and delivers the rest", async () => {
    const feeding = new Feeding();
    for (let count = 0; count < 4; count += 1) feeding.record();
    feeding.gone.add(1).add(3);
    feeding.feed.pump();
    await feeding.answer();
    expect([feeding.got, feeding.lostCount]).toEqual([[2, 4], 2]);
  });

  it("waits for the next pump where the log fails, and then loses nothing", async () => {
    const feeding = new Feeding();
    feeding.record();
    feeding.feed.pump();
    await feeding.answer(new Error("test"));
    expect([feeding.got, feeding.failures.length]).toEqual([[], 1]);
    feeding.feed.pump();
    await feeding.answer();
    expect(feeding.got).toEqual([1]);
  });

  it("takes nothing any more once it is closed, also what is on its way", async () => {
    const feeding = new Feeding();
    feeding.record();
    feeding.feed.pump();
    feeding.feed.close();
    await feeding.answer();
    expect([feeding.got, feeding.failures]).toEqual([[], []]);
  });
});
