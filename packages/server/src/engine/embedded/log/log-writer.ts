import { join } from "node:path";
import { EngineError, type LogRecord, type Seq } from "../../../core/ports/engine.ts";
import { type Files, isNoSpace, type OpenFile, replaceFile } from "../disk/files.ts";
import { recordBound } from "../segment/record-codec.ts";
import { encodeSegmentIndex } from "../segment/segment-index.ts";
import { encodeSegmentHeader, indexNameOf, type SegmentHeader } from "../segment/segment-header.ts";
import { Segment } from "../segment/segment.ts";
import { AppendBatch, PendingAppend } from "./append-batch.ts";
import type { AppendEncoder } from "./append-encoder.ts";
import type { LogLimits } from "./log-limits.ts";

export interface LogWriterOptions {
  readonly files: Files;
  readonly directory: string;
  readonly identity: Pick<SegmentHeader, "tenant" | "epoch">;
  readonly limits: LogLimits;
  readonly encoder: AppendEncoder;
  /** All segments, the one that is written last; the writer adds to them. */
  readonly segments: Segment[];
  readonly head: Seq;
  /** In the order of the batches. With an error: none of it was made durable. */
  onBatch(batch: AppendBatch, error: EngineError | undefined): void;
  onFatal(error: Error): void;
  onCommit(seconds: number): void;
  onFull(): void;
}

/** A number in a segment is counted from its first in 32 bits. */
const maxDelta = 4_294_967_295;

/**
 * Group commit: what is appended while one batch is written and flushed is gathered in the next, which starts when that
 * one is done. No timer, one write and one flush at a time.
 */
export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #batches: AppendBatch[] = [];
  #head: Seq;
  #pendingBytes = 0;
  #isCommitting = false;
  #isStopped = false;
  /** Of the last segment, once it is there. */
  #file: OpenFile | undefined;
  #fileOf: Segment | undefined;
  /** Bytes of `#fileOf` that were flushed. */
  #flushedBytes = 0;
  #hasDirectory = false;
  #closing: Promise<void> = Promise.resolve();

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#head = options.head;
  }

  get head(): Seq {
    return this.#head;
  }

  get isIdle(): boolean {
    return !this.#isCommitting && this.#batches.length === 0;
  }

  /** The segment that is written, or undefined before the first. */
  get active(): Segment | undefined {
    return this.#options.segments.at(-1);
  }

  /** Throws EngineError: `too-large`, `overloaded`. */
  append(record: LogRecord, id: string | undefined, shard: number): PendingAppend {
    const { limits, encoder } = this.#options;
    const bound = recordBound(record, id);
    if (bound > limits.recordBytes)
      throw new EngineError("too-large", `a record of up to ${bound} bytes does not fit into the log`);
    if (this.#pendingBytes > limits.pendingBytes)
      throw new EngineError("overloaded", "too much waits to be written to the disk");
    const batch = this.#batchFor(bound);
    const bytesBefore = batch.bytes;
    this.#head += 1;
    const stored = encoder.write(batch, this.#head, record, { id, bound, shard });
    const { segment } = batch;
    if (id !== undefined) segment.hasIds = true;
    if (record.publishedAtMs > segment.newestMs) segment.newestMs = record.publishedAtMs;
    this.#pendingBytes += batch.bytes - bytesBefore;
    const entry = new PendingAppend(stored, id);
    batch.entries.push(entry);
    if (!this.#isCommitting) this.#commitSoon();
    return entry;
  }

  /** How much of a segment is on the disk for sure. */
  flushedBytesOf(segment: Segment): number {
    if (segment === this.#fileOf) return this.#flushedBytes;
    const first = this.#batches.find((batch) => batch.segment === segment);
    return first?.position ?? segment.length;
  }

  /** The next append goes to a new segment. */
  roll(): void {
    const { segments, identity, directory, encoder } = this.#options;
    encoder.closeBlock();
    const firstSeq = Math.max(this.#head, this.active?.endSeq ?? 0) + 1;
    segments.push(new Segment(directory, { ...identity, firstSeq, coveredTo: 0, generation: 0 }));
  }

  /** Nothing is written any more; what was not committed never settles. For the end of a broken engine, and tests. */
  async abandon(): Promise<void> {
    this.#isStopped = true;
    this.#batches.length = 0;
    await this.#closing;
    await this.#file?.close().catch(() => undefined);
  }

  /** After the last batch: leaves an index of the active segment behind, so that the next start reads little. */
  async close(): Promise<void> {
    this.#isStopped = true;
    this.#options.encoder.closeBlock();
    await this.#closing;
    if (this.#file === undefined || this.#fileOf === undefined) return;
    await this.#file.close();
    await this.#writeIndex(this.#fileOf);
  }

  #batchFor(bound: number): AppendBatch {
    const { segments, limits } = this.#options;
    const active = segments.at(-1);
    if (active === undefined || this.#isFull(active, bound)) this.roll();
    const segment = segments.at(-1)!;
    const last = this.#batches.at(-1);
    if (last !== undefined && last.segment === segment && last.bytes < limits.batchBytes) return last;
    const batch = new AppendBatch(segment);
    this.#batches.push(batch);
    return batch;
  }

  #isFull(segment: Segment, bound: number): boolean {
    if (segment.header.generation > 0 || this.#head + 1 - segment.firstSeq > maxDelta) return true;
    return segment.blocks.length > 0 && segment.length + bound > this.#options.limits.segmentBytes;
  }

  #commitSoon(): void {
    this.#isCommitting = true;
    queueMicrotask(() => this.#commitNext());
  }

  #commitNext(): void {
    const batch = this.#batches.shift();
    this.#isCommitting = batch !== undefined && !this.#isStopped;
    if (batch === undefined || this.#isStopped) return;
    const startedAtMs = performance.now();
    this.#write(batch).then(
      () => {
        this.#options.onCommit((performance.now() - startedAtMs) / 1_000);
        this.#committed(batch);
      },
      (error: Error) => this.#failed(batch, error),
    );
  }

  #committed(batch: AppendBatch): void {
    if (this.#isStopped) return;
    this.#flushedBytes = batch.position + batch.bytes;
    this.#pendingBytes -= batch.bytes;
    this.#commitNext();
    this.#options.onBatch(batch, undefined);
  }

  async #write(batch: AppendBatch): Promise<void> {
    const { files, directory } = this.#options;
    const { segment } = batch;
    if (this.#fileOf === segment && this.#file !== undefined) {
      await this.#file.write(batch.chunks, batch.position);
      return flush(this.#file);
    }
    this.#seal();
    await this.#makeDirectory();
    const file = await files.open(segment.path, "write");
    this.#file = file;
    this.#fileOf = segment;
    this.#flushedBytes = batch.position > segment.dataStart ? batch.position : 0;
    if (batch.position > segment.dataStart) {
      await file.write(batch.chunks, batch.position);
      return flush(file);
    }
    await file.truncate(0);
    await file.write([encodeSegmentHeader(segment.header), ...batch.chunks], 0);
    await flush(file);
    await files.flushDirectory(directory);
  }

  async #makeDirectory(): Promise<void> {
    if (this.#hasDirectory) return;
    const { files, directory } = this.#options;
    await files.makeDirectory(directory);
    await files.flushDirectory(join(directory, ".."));
    this.#hasDirectory = true;
  }

  /** The segment before is complete. Its index only saves time: nobody waits for it. */
  #seal(): void {
    const file = this.#file;
    const segment = this.#fileOf;
    this.#file = undefined;
    this.#fileOf = undefined;
    if (file === undefined || segment === undefined) return;
    this.#closing = this.#closing
      .then(() => file.close())
      .then(() => this.#writeIndex(segment))
      .catch(() => undefined);
  }

  async #writeIndex(segment: Segment): Promise<void> {
    const { files, directory, segments } = this.#options;
    if (!segments.includes(segment)) return;
    await replaceFile(files, join(directory, indexNameOf(segment.name)), encodeSegmentIndex(segment));
  }

  /** No space is no damage, if what was written of the batch can be cut off again. All else is final. */
  #failed(batch: AppendBatch, error: Error): void {
    if (this.#isStopped) return;
    if (!isNoSpace(error)) return this.#die(error, batch);
    const lost = [batch, ...this.#batches.splice(0)];
    for (const one of lost.toReversed()) one.undo();
    this.#options.encoder.closeBlock();
    this.#dropSegmentsBehind(batch.segment);
    this.#cutTo(batch).then(
      () => this.#refuse(lost),
      (second: Error) => {
        this.#batches.unshift(...lost.slice(1));
        this.#die(new Error(`${error.message}; then: ${second.message}`), batch);
      },
    );
  }

  async #cutTo(batch: AppendBatch): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    const isNew = batch.position === batch.segment.dataStart;
    await file.truncate(isNew ? 0 : batch.position);
    await file.flush();
    if (!isNew) return;
    this.#file = undefined;
    this.#fileOf = undefined;
    await file.close();
  }

  #refuse(lost: readonly AppendBatch[]): void {
    const error = new EngineError("full", "the disk is full");
    this.#options.onFull();
    for (const batch of lost) {
      this.#pendingBytes -= batch.bytes;
      this.#options.onBatch(batch, error);
    }
    this.#commitNext();
  }

  #dropSegmentsBehind(segment: Segment): void {
    const { segments } = this.#options;
    segments.splice(segments.indexOf(segment) + 1);
  }

  /** After a failed write or flush nobody knows what is on the disk. */
  #die(cause: Error, batch?: AppendBatch): void {
    this.#isStopped = true;
    this.#isCommitting = false;
    const error = new EngineError("unavailable", `the log could not be written: ${cause.message}`, true);
    const lost = [...(batch === undefined ? [] : [batch]), ...this.#batches.splice(0)];
    for (const one of lost) this.#options.onBatch(one, error);
    this.#options.onFatal(cause);
  }
}

/** After a failed flush pages may count as clean: whatever the reason, even a full disk, it is final. */
async function flush(file: OpenFile): Promise<void> {
  try {
    await file.flush();
  } catch (error) {
    throw new Error(`flush failed: ${String(error)}`, { cause: error });
  }
}
