import type { Seq } from "../ports/engine.ts";
import type { Message } from "../ports/message.ts";
import type { LogReader } from "./log-reader.ts";

/** Reads messages back from the log; the router. */
export interface MessageSource {
  /** False: the outboxes are being filled after a start; what waits is in them as far as that has come. */
  readonly isRecovered: boolean;
  /** In the order asked for; what is gone is left out. */
  fetch(seqs: readonly Seq[]): Promise<readonly { readonly seq: Seq; readonly message: Message }[]>;
}

/** Where a feed's messages go. */
export interface FeedSink {
  /** How many messages it could take now; 0 where nobody is there to take them. */
  readonly room: number;
  /** False: it could not take this one after all, offer it again later. */
  takeLogged(message: Message, seq: Seq): boolean;
  /** Records that had to go before they could be delivered. */
  lost(count: number): void;
  /** The log could not be read; the feed stops until the next `pump`. */
  feedFailed(error: unknown): void;
}

const batchSize = 256;

/** Brings the log to a sink: from the tail while it keeps up, from its outboxes while it does not. */
export class LogFeed {
  readonly reader: LogReader;
  readonly #source: MessageSource;
  readonly #sink: FeedSink;
  #isFetching = false;
  #isClosed = false;

  constructor(reader: LogReader, source: MessageSource, sink: FeedSink) {
    this.reader = reader;
    this.#source = source;
    this.#sink = sink;
  }

  /** A record from the tail that the sink wants. While behind it waits in an outbox instead. */
  offer(message: Message, seq: Seq): void {
    if (!this.reader.isLive) return;
    if (this.#sink.room > 0 && this.#sink.takeLogged(message, seq)) return;
    this.reader.fallBehind(seq - 1);
  }

  /** Goes on where it stopped; call it whenever the sink may have room. */
  pump(): void {
    if (this.reader.isLive || this.#isFetching || this.#isClosed) return;
    const { room } = this.#sink;
    if (room <= 0 || (this.reader.hasDroppedReplaced && !this.#source.isRecovered)) return;
    const seqs = this.reader.peek(Math.min(room, batchSize));
    if (seqs.length === 0) {
      if (this.#source.isRecovered) this.reader.goLive();
      return;
    }
    this.#isFetching = true;
    void this.#fetch(seqs, this.reader.version);
  }

  close(): void {
    this.#isClosed = true;
    this.reader.close();
  }

  /** `version`: where something was dropped since `seqs` were peeked, they are peeked anew. */
  async #fetch(seqs: readonly Seq[], version: number): Promise<void> {
    try {
      const found = await this.#source.fetch(seqs);
      this.#isFetching = false;
      if (this.#isClosed) return;
      if (this.reader.version !== version || this.#take(seqs, found)) this.pump();
    } catch (error) {
      this.#isFetching = false;
      if (!this.#isClosed) this.#sink.feedFailed(error);
    }
  }

  /** False: the sink had enough before the end. */
  #take(seqs: readonly Seq[], found: readonly { readonly seq: Seq; readonly message: Message }[]): boolean {
    let next = 0;
    for (const seq of seqs) {
      const stored = found[next];
      if (stored?.seq === seq) {
        if (this.#sink.room <= 0 || !this.#sink.takeLogged(stored.message, seq)) return false;
        next += 1;
      } else {
        this.#sink.lost(1);
      }
      this.reader.take(seq);
    }
    return true;
  }
}
