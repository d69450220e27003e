import { join } from "node:path";
import type { Clock } from "../../../core/ports/clock.ts";
import type { Seq } from "../../../core/ports/engine.ts";
import type { Files } from "../disk/files.ts";
import type { BlockLoader } from "../segment/block-loader.ts";
import { indexNameOf, type SegmentHeader } from "../segment/segment-header.ts";
import type { Segment } from "../segment/segment.ts";
import type { LogLimits } from "./log-limits.ts";
import { type KeptPart, SegmentRewriter } from "./segment-rewriter.ts";

export interface LogTrimmerOptions {
  readonly files: Files;
  readonly directory: string;
  readonly identity: Pick<SegmentHeader, "tenant" | "epoch">;
  readonly clock: Clock;
  readonly limits: LogLimits;
  readonly loader: BlockLoader;
  readonly segments: Segment[];
  /** The last durable record. */
  shown(): Seq;
  isDiskFull(): boolean;
  onError(error: unknown): void;
}

interface Release {
  readonly before: Seq;
  readonly keep: (seq: Seq) => boolean;
}

interface Candidate extends KeptPart {
  /** About what is kept of it. */
  readonly keptBytes: number;
  readonly isDense: boolean;
}

/** How many records one turn of the event loop asks about. */
const sliceRecords = 4_096;
/** A segment of which so much is kept is not worth a copy for its own sake. */
const denseShare = 0.5;
/** A dense segment is copied along with others only where these are not much smaller: so each record is copied rarely. */
const maxCopyRatio = 4;

/**
 * Lets go what nobody needs: a segment of which nothing is kept is unlinked, those of which little is kept are copied
 * into one. Never the segment that is written, nor what lies within the floor (but on a full disk).
 */
export class LogTrimmer {
  readonly #options: LogTrimmerOptions;
  #wanted: Release | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;
  #holds = 0;

  constructor(options: LogTrimmerOptions) {
    this.#options = options;
  }

  /** Starts soon; what was asked for before and not begun is replaced. */
  release(before: Seq, keep: (seq: Seq) => boolean): void {
    if (this.#isStopped) return;
    this.#wanted = { before, keep };
    if (this.#holds === 0) this.#running ??= this.#run();
  }

  /** No file goes away while `work` is at it. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    this.#holds += 1;
    try {
      await this.idle();
      return await work();
    } finally {
      this.#holds -= 1;
      if (this.#holds === 0 && this.#wanted !== undefined) this.#running ??= this.#run();
    }
  }

  /** Resolves when nothing goes on. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Ends at the next record or file. */
  stop(): Promise<void> {
    this.#isStopped = true;
    this.#wanted = undefined;
    return this.idle();
  }

  async #run(): Promise<void> {
    try {
      await this.#turn();
      for (let release = this.#next(); release !== undefined; release = this.#next()) {
        await this.#trim(release);
      }
    } catch (error) {
      this.#wanted = undefined;
      this.#options.onError(error);
    } finally {
      this.#running = undefined;
    }
  }

  #next(): Release | undefined {
    if (this.#holds > 0) return undefined;
    const release = this.#wanted;
    this.#wanted = undefined;
    return release;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.soon(resolve));
  }

  async #trim({ before, keep }: Release): Promise<void> {
    let group: Candidate[] = [];
    for (const segment of this.#candidates()) {
      if (this.#isStopped || !this.#mayGo(segment, before)) break;
      const candidate = await this.#look(segment, keep);
      if (candidate.kept.length === 0) await this.#drop([segment]);
      else group = await this.#gather(group, candidate);
    }
    await this.#copyTogether(group);
  }

  /** All before the last one that has a durable record: that one alone tells the next start how far the numbers went. */
  #candidates(): readonly Segment[] {
    const { segments } = this.#options;
    const shown = this.#options.shown();
    return segments.slice(
      0,
      Math.max(
        0,
        segments.findLastIndex(({ firstSeq }) => firstSeq <= shown),
      ),
    );
  }

  #mayGo(segment: Segment, before: Seq): boolean {
    const { segments, limits, clock } = this.#options;
    if (segment.endSeq >= before || segment.endSeq > this.#options.shown()) return false;
    if (this.#options.isDiskFull()) return true;
    if (clock.nowMs() - segment.newestMs >= limits.floorMs) return true;
    let newerBytes = 0;
    for (const newer of segments.slice(segments.indexOf(segment) + 1)) newerBytes += newer.length;
    return newerBytes >= limits.floorBytes;
  }

  async #look(segment: Segment, keep: (seq: Seq) => boolean): Promise<Candidate> {
    const kept: Seq[] = [];
    let asked = 0;
    for (const block of segment.blocks) {
      for (let seq = block.firstSeq; seq <= block.lastSeq && !this.#isStopped; seq++) {
        if (keep(seq)) kept.push(seq);
        asked += 1;
        if (asked % sliceRecords === 0) await this.#turn();
      }
    }
    const share = kept.length / Math.max(1, segment.count);
    const keptBytes = Math.min(1, share) * segment.length;
    return { segment, kept, keptBytes, isDense: share >= denseShare };
  }

  async #gather(group: Candidate[], candidate: Candidate): Promise<Candidate[]> {
    const { segmentBytes } = this.#options.limits;
    if (candidate.isDense && candidate.segment.length * maxCopyRatio >= segmentBytes) {
      await this.#copyTogether(group);
      return [];
    }
    const first = group[0] ?? candidate;
    const isTooFar = candidate.segment.endSeq - first.segment.firstSeq > 4_294_967_295;
    if (!isTooFar && sumOf(group) + candidate.keptBytes <= segmentBytes) return [...group, candidate];
    await this.#copyTogether(group);
    return [candidate];
  }

  async #copyTogether(candidates: readonly Candidate[]): Promise<void> {
    const group = worthCopying(candidates);
    if (group.length === 0 || this.#isStopped) return;
    const { files, directory, loader, limits, identity, segments } = this.#options;
    const old = group.map((candidate) => candidate.segment);
    const following = segments[segments.indexOf(old.at(-1)!) + 1]!;
    const rewriter = new SegmentRewriter(
      { files, directory, loader, blockBytes: limits.blockBytes },
      {
        ...identity,
        firstSeq: old[0]!.firstSeq,
        coveredTo: following.firstSeq - 1,
        generation: 1 + Math.max(...old.map((segment) => segment.header.generation)),
      },
    );
    const segment = await rewriter.rewrite(group);
    segments.splice(segments.indexOf(old[0]!), 0, segment);
    await this.#drop(old);
  }

  /** Readers that are at it may finish. */
  async #drop(old: readonly Segment[]): Promise<void> {
    const { files, directory, segments, loader } = this.#options;
    for (const segment of old) segments.splice(segments.indexOf(segment), 1);
    for (const segment of old) {
      await loader.handles.close(segment.path);
      await files.unlink(segment.path);
      await files.unlink(join(directory, indexNameOf(segment.name)));
    }
  }
}

function sumOf(group: readonly Candidate[]): number {
  return group.reduce((sum, candidate) => sum + candidate.keptBytes, 0);
}

/** Without the dense ones at the front that are large against the rest, and nothing where no space is won. */
function worthCopying(candidates: readonly Candidate[]): readonly Candidate[] {
  let group = candidates;
  while (group.length > 0) {
    const [first, ...rest] = group;
    if (!first!.isDense || (rest.length > 0 && first!.keptBytes <= maxCopyRatio * sumOf(rest))) return group;
    group = rest;
  }
  return group;
}
