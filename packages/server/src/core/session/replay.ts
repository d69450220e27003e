import type { Plain, Seq, StoredRecord } from "../ports/engine.ts";
import { LogReader } from "../routing/log-reader.ts";
import type { QueueBounds, QueueCut } from "../routing/queue-bounds.ts";
import type { Router } from "../routing/router.ts";
import type { Subscription, Tracking } from "../routing/subscription.ts";
import { trackedKey } from "../routing/tracked-key.ts";

/** A subscription that asks something of the log. */
export type TrackedSubscription = Subscription & { readonly tracking: Tracking };

/** What is saved of a replay that goes on. */
export interface SavedReplay {
  readonly topicFilter: string;
  readonly takenUpTo: Seq;
}

/** Where a replay's records go. */
export interface ReplaySink {
  /** How many messages it could take now; 0 where nobody is there to take them. */
  readonly room: number;
  /** False: it could not take this one after all. `isOld`: from before the subscription. */
  takeReplayed(replay: Replay, stored: StoredRecord, isOld: boolean): boolean;
  /** Nothing is left to replay: what comes next comes from the log's tail. */
  caughtUp(replay: Replay): void;
  /** Records went away that the replay had still to come to. */
  truncated(): void;
  /** The log could not be read; the replay stops until the next `pump`. */
  replayFailed(error: unknown): void;
}

const batchSize = 256;

/**
 * Brings one subscription what the log has from before it, and after that what has come meanwhile, until it has come to
 * the log's end: a second reader with a position of its own, behind which the subscription's live messages wait
 * (semantics.md §2.10). Goes only as fast as its sink has room.
 */
export class Replay {
  subscription: TrackedSubscription;
  readonly #router: Router;
  readonly #sink: ReplaySink;
  /** What has come since the subscription; the log keeps it. */
  readonly #reader: LogReader;
  #takenUpTo: Seq;
  /** From where on histories promised everything when it last looked. */
  #promisedFrom: Seq = 0;
  #isReading = false;
  #isClosed = false;

  /** @param takenUpTo where it goes on; for a new one where it begins */
  constructor(subscription: TrackedSubscription, takenUpTo: Seq, router: Router, sink: ReplaySink) {
    this.subscription = subscription;
    this.#takenUpTo = takenUpTo;
    this.#router = router;
    this.#sink = sink;
    this.#reader = new LogReader(router, this.waitsFrom);
  }

  /** Everything up to here was taken. */
  get takenUpTo(): Seq {
    return this.#takenUpTo;
  }

  /** From here on its records wait in outboxes. */
  get waitsFrom(): Seq {
    return Math.max(this.subscription.from, this.#takenUpTo);
  }

  get waiting(): number {
    return this.#reader.waiting;
  }

  saved(): Plain {
    return { topicFilter: this.subscription.topicFilter, takenUpTo: this.#takenUpTo } satisfies SavedReplay;
  }

  /** What is missing already was told when it was asked for. */
  begin(): void {
    this.#promisedFrom = this.#router.promisedFrom(this.subscription.granted) ?? 0;
  }

  /** Its subscription as it is from now on: what that is granted waits here too. `after`: for recovery. */
  hold(subscription: TrackedSubscription, after?: Seq): void {
    this.subscription = subscription;
    for (const { filter } of subscription.granted) this.#reader.hold(trackedKey(filter), after);
  }

  /** The counterpart; what waits by those filters already is still to be taken. */
  retire(subscription: Subscription): void {
    for (const { filter } of subscription.granted) this.#reader.retire(trackedKey(filter));
  }

  /** Goes on where it stopped; call it whenever the sink may have room. */
  pump(): void {
    if (this.#isReading || this.#isClosed) return;
    const limit = Math.min(this.#sink.room, batchSize);
    if (limit <= 0) return;
    if (this.#takenUpTo < this.subscription.from) {
      void this.#read(() => this.#takeOld(limit));
      return;
    }
    const seqs = this.#reader.peek(limit);
    if (seqs.length > 0) void this.#read(() => this.#takeNew(seqs));
    else if (this.#router.isRecovered) this.#sink.caughtUp(this);
  }

  /** Keeps what has come since the subscription within the bounds of its session's queue; undefined: it is. */
  cut(bounds: QueueBounds): QueueCut | undefined {
    return this.#reader.cut(bounds);
  }

  /** Nothing more is collected; what waits, up to that record, stays (semantics.md §1.9). */
  freeze(upTo?: Seq): void {
    this.#reader.freeze(upTo);
  }

  close(): void {
    this.#isClosed = true;
    this.#reader.close();
  }

  /** `take` resolves with whether the sink has taken all. */
  async #read(take: () => Promise<boolean>): Promise<void> {
    this.#isReading = true;
    try {
      const hasRoom = await take();
      this.#isReading = false;
      if (hasRoom) this.pump();
    } catch (error) {
      this.#isReading = false;
      if (!this.#isClosed) this.#sink.replayFailed(error);
    }
  }

  /** From before the subscription: by its filters as they are now. */
  async #takeOld(limit: number): Promise<boolean> {
    const { granted, from: to } = this.subscription;
    const after = this.#takenUpTo;
    const filters = granted.map(({ filter }) => filter);
    const found = filters.length > 0 ? await this.#router.read(after, { filters, to, limit }) : [];
    if (this.#isClosed) return false;
    this.#tellTruncated(after);
    for (const stored of found) {
      if (this.#sink.room <= 0 || !this.#sink.takeReplayed(this, stored, true)) return false;
      this.#takenUpTo = stored.seq;
    }
    if (found.length < limit) this.#takenUpTo = to;
    await this.#router.turn(); // a long replay that delivers nothing lets others have their turn
    return !this.#isClosed;
  }

  /** What has come since. */
  async #takeNew(seqs: readonly Seq[]): Promise<boolean> {
    const found = await this.#router.fetchRecords(seqs);
    if (this.#isClosed) return false;
    let next = 0;
    for (const seq of seqs) {
      const stored = found[next];
      if (stored?.seq === seq) {
        if (this.#sink.room <= 0 || !this.#sink.takeReplayed(this, stored, false)) return false;
        next += 1;
      } else {
        this.#sink.truncated();
      }
      this.#reader.take(seq);
      this.#takenUpTo = seq;
    }
    return true;
  }

  /** Since the last look histories may have let go what it had still to come to. */
  #tellTruncated(takenUpTo: Seq): void {
    const before = this.#promisedFrom;
    this.#promisedFrom = this.#router.promisedFrom(this.subscription.granted) ?? 0;
    if (this.#promisedFrom > Math.max(before, takenUpTo)) this.#sink.truncated();
  }
}
