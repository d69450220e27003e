import type { Seq } from "../ports/engine.ts";

/** Records that were published within such a time share a mark. */
const spacingMs = 1_000;
/** At so many the past is thinned out: what is so old is then known to this part of its age. */
const maxMarks = 4_096;
const share = 1 / 256;

interface TimeMark {
  readonly oldestMs: number;
  newestMs: number;
  /** All up to here were published by `newestMs`. */
  upTo: Seq;
}

/** When the records of a log were published, roughly: enough to tell what is surely too old. */
export class RecordTimes {
  #marks: TimeMark[] = [];

  /** Called for each record, in the order of the log. */
  note(seq: Seq, publishedAtMs: number): void {
    const last = this.#marks.at(-1);
    if (last && publishedAtMs < last.oldestMs + spacingMs) {
      last.upTo = seq;
      if (publishedAtMs > last.newestMs) last.newestMs = publishedAtMs;
      return;
    }
    this.#marks.push({ oldestMs: publishedAtMs, newestMs: publishedAtMs, upTo: seq });
    if (this.#marks.length >= maxMarks) this.#thinOut(publishedAtMs);
  }

  /** The last record that was surely published before that time; 0 where none was. */
  lastBefore(atMs: number): Seq {
    let low = 0;
    let high = this.#marks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#marks[middle] as TimeMark).newestMs < atMs) low = middle + 1;
      else high = middle;
    }
    return this.#marks[low - 1]?.upTo ?? 0;
  }

  #thinOut(nowMs: number): void {
    const kept: TimeMark[] = [];
    for (const [index, mark] of this.#marks.entries()) {
      const before = kept.at(-1);
      const next = this.#marks[index + 1];
      const isNear = before && next && next.newestMs - before.newestMs < (nowMs - mark.newestMs) * share;
      if (!isNear) kept.push(mark);
    }
    this.#marks = kept;
  }
}
