import type { Seq } from "../ports/engine.ts";

/** Marks are at least so far apart. */
const spacingMs = 1_000;
/** Beyond these every second of the older half goes: the past is known less and less exactly. */
const maxMarks = 4_096;

interface TimeMark {
  readonly seq: Seq;
  readonly atMs: number;
}

/** When the records of a log were published, roughly: enough to tell what is surely too old. */
export class RecordTimes {
  #marks: TimeMark[] = [];

  /** Called for each record, in the order of the log. */
  note(seq: Seq, publishedAtMs: number): void {
    const last = this.#marks.at(-1);
    if (last && publishedAtMs < last.atMs + spacingMs) return;
    this.#marks.push({ seq: seq - 1, atMs: publishedAtMs });
    if (this.#marks.length < maxMarks) return;
    const half = maxMarks / 2;
    this.#marks = this.#marks.filter((_, index) => index >= half || index % 2 === 0);
  }

  /** The last record that was surely published before that time; 0 where none was. */
  lastBefore(atMs: number): Seq {
    let low = 0;
    let high = this.#marks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#marks[middle] as TimeMark).atMs <= atMs) low = middle + 1;
      else high = middle;
    }
    return this.#marks[low - 1]?.seq ?? 0;
  }
}
