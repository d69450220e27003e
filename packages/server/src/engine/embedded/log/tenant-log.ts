import type { Clock } from "../../../core/ports/clock.ts";
import {
  EngineError,
  type AppendResult,
  type LogRecord,
  type Seq,
  type StoredRecord,
  type Subscription,
} from "../../../core/ports/engine.ts";
import { join } from "node:path";
import { copyPrefix, type Files } from "../disk/files.ts";
import type { BlockLoader } from "../segment/block-loader.ts";
import type { SegmentHeader } from "../segment/segment-header.ts";
import type { Segment } from "../segment/segment.ts";
import type { PendingAppend } from "./append-batch.ts";
import { AppendEncoder } from "./append-encoder.ts";
import { AppendIds } from "../../append-ids.ts";
import type { LogLimits } from "./log-limits.ts";
import { LogReader, type RecordRange } from "./log-reader.ts";
import type { RecoveredLog } from "./log-recovery.ts";
import { LogTails } from "./log-tail.ts";
import { LogTrimmer } from "./log-trimmer.ts";
import { LogWriter } from "./log-writer.ts";
import { Settler } from "./settler.ts";

export interface TenantLogOptions {
  readonly clock: Clock;
  readonly files: Files;
  readonly directory: string;
  readonly identity: Pick<SegmentHeader, "tenant" | "epoch">;
  readonly limits: LogLimits;
  readonly loader: BlockLoader;
  readonly recovered: RecoveredLog;
  readonly isDiskFull: () => boolean;
  readonly onAppended: (bytes: number) => void;
  readonly onFull: () => void;
  readonly onFatal: (error: Error) => void;
  readonly onCommit: (seconds: number) => void;
  readonly onError: (error: unknown, text: string) => void;
}

const shard = 0;

/** The log of one tenant: one shard, one line of numbers. */
export class TenantLog {
  readonly #options: TenantLogOptions;
  readonly #segments: Segment[];
  readonly #ids: AppendIds;
  readonly #pendingIds = new Map<string, Promise<AppendResult>>();
  readonly #reader: LogReader;
  readonly #tails: LogTails;
  readonly #settler: Settler;
  readonly #writer: LogWriter;
  readonly #trimmer: LogTrimmer;

  constructor(options: TenantLogOptions) {
    const { recovered, clock, loader, limits, files, directory, identity } = options;
    this.#options = options;
    this.#segments = recovered.segments;
    this.#ids = new AppendIds({ keptMs: limits.dedupMs, maxIds: limits.maxIds });
    for (const { id, seq } of recovered.ids) this.#ids.set(id, seq, clock.nowMs());
    const segments = this.#segments;
    this.#reader = new LogReader({ clock, loader, shard, segments, shown: () => this.#tails.shown });
    this.#tails = new LogTails({ clock, reader: this.#reader, shown: recovered.head });
    this.#tails.onReadError = (error) => options.onError(error, "the log could not be read; will try again");
    this.#settler = new Settler(clock, (entry, error) => this.#settle(entry, error));
    this.#writer = new LogWriter({
      files,
      directory,
      identity,
      limits,
      segments,
      encoder: new AppendEncoder({ blockBytes: limits.blockBytes, cache: loader.cache }),
      head: recovered.head,
      onBatch: (batch, error) => {
        if (error === undefined) options.onAppended(batch.bytes);
        this.#settler.add(batch, error);
      },
      onFatal: options.onFatal,
      onCommit: options.onCommit,
      onFull: options.onFull,
    });
    this.#trimmer = new LogTrimmer({
      files,
      directory,
      identity,
      clock,
      limits,
      loader,
      segments,
      shown: () => this.#tails.shown,
      isDiskFull: options.isDiskFull,
      onError: (error) => options.onError(error, "the log could not be compacted; will try again later"),
    });
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  get shown(): Seq {
    return this.#tails.shown;
  }

  get bounds(): { readonly first: Seq; readonly head: Seq; readonly bytes: number } {
    const { head } = this.#writer;
    let bytes = 0;
    for (const segment of this.#segments) bytes += segment.length;
    return { first: this.#reader.first ?? head + 1, head, bytes };
  }

  /** Throws EngineError where it surely will not be appended. */
  append(record: LogRecord, id: string | undefined): Promise<AppendResult> {
    if (id === undefined) return this.#writer.append(record, id, shard).settlement.promise;
    return this.#repeat(id) ?? this.#appendWithId(record, id);
  }

  async lookup(id: string): Promise<AppendResult | undefined> {
    const pending = this.#pendingIds.get(id);
    if (pending !== undefined) await pending.catch(refusedFor);
    const seq = this.#ids.get(id) ?? (await this.#reader.findId(id));
    return seq === undefined ? undefined : { shard, seq, duplicate: true };
  }

  tail(after: Seq, callback: (stored: StoredRecord) => void): Subscription {
    return this.#tails.open(after, callback);
  }

  read(range: RecordRange): AsyncGenerator<readonly StoredRecord[]> {
    return this.#reader.read(range);
  }

  fetch(seqs: readonly Seq[]): Promise<readonly StoredRecord[]> {
    return this.#reader.fetch(seqs);
  }

  release(before: Seq, keep: (seq: Seq) => boolean): void {
    this.#trimmer.release(before, keep);
  }

  /** Copies what is on the disk into another directory: sealed segments as they are, of the last one what is flushed. */
  backup(target: string): Promise<void> {
    return this.#trimmer.hold(() => this.#backup(target));
  }

  /** Resolves when everything that was appended is settled. */
  async drained(): Promise<void> {
    while (!this.#writer.isIdle || !this.#settler.isIdle) {
      await this.#settler.idle();
      await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
    }
  }

  /** Resolves when no compaction goes on. */
  trimmed(): Promise<void> {
    return this.#trimmer.idle();
  }

  async close(): Promise<void> {
    await this.drained();
    await this.#trimmer.stop();
    await this.#writer.close();
  }

  /** Nothing settles any more, nobody is called. */
  async abandon(): Promise<void> {
    this.#settler.clear();
    await Promise.all([this.#trimmer.stop(), this.#writer.abandon()]);
  }

  async #backup(target: string): Promise<void> {
    const { files } = this.#options;
    await files.makeDirectory(target);
    const born = this.#segments.filter(({ firstSeq }) => firstSeq <= this.#tails.shown);
    for (const segment of born.slice(0, -1)) await files.link(segment.path, join(target, segment.name));
    const last = born.at(-1);
    if (last !== undefined)
      await copyPrefix(files, last.path, join(target, last.name), this.#writer.flushedBytesOf(last));
    await files.flushDirectory(target);
  }

  #repeat(id: string): Promise<AppendResult> | undefined {
    const pending = this.#pendingIds.get(id);
    if (pending !== undefined) return pending.then((first) => ({ ...first, duplicate: true }));
    const seq = this.#ids.get(id);
    return seq === undefined ? undefined : Promise.resolve({ shard, seq, duplicate: true });
  }

  #appendWithId(record: LogRecord, id: string): Promise<AppendResult> {
    const { stored, settlement } = this.#writer.append(record, id, shard);
    this.#ids.set(id, stored.seq, this.#options.clock.nowMs());
    this.#pendingIds.set(id, settlement.promise);
    return settlement.promise;
  }

  #settle(entry: PendingAppend, error: EngineError | undefined): void {
    const { id, stored, settlement } = entry;
    if (id !== undefined) this.#pendingIds.delete(id);
    if (error === undefined) {
      this.#tails.show(stored);
      entry.resolve();
      return;
    }
    if (id !== undefined) this.#ids.delete(id);
    settlement.reject(new EngineError(error.code, error.message, error.maybeApplied));
  }
}

/** A refused append is not there; one whose outcome nobody knows any longer cannot be looked up. */
function refusedFor(error: unknown): undefined {
  if (error instanceof EngineError && !error.maybeApplied) return undefined;
  throw error;
}
