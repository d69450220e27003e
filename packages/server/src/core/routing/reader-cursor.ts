import type { Seq } from "../ports/engine.ts";

/** Records above `after`, up to and with `upTo`. */
export interface SeqRange {
  readonly after: Seq;
  readonly upTo: Seq;
}

/** What is saved of a cursor beside the position. */
export interface SavedDrops {
  readonly gaps: readonly SeqRange[];
  readonly replacedUpTo: Seq;
}

/** Beyond these the last two are made one, and what lies between them goes too. */
const maxGaps = 16;

/** Which records a reader is done with: all up to the last one taken, and what it has dropped ahead of that. */
export class ReaderCursor {
  #takenUpTo: Seq;
  #gaps: SeqRange[] = [];
  #replacedUpTo: Seq = 0;

  constructor(takenUpTo: Seq, drops?: SavedDrops) {
    this.#takenUpTo = takenUpTo;
    for (const { after, upTo } of drops?.gaps ?? []) this.drop(after, upTo);
    this.dropReplaced(drops?.replacedUpTo ?? 0);
  }

  get takenUpTo(): Seq {
    return this.#takenUpTo;
  }

  /** Dropped ahead of what was taken, oldest first. */
  get gaps(): readonly SeqRange[] {
    return this.#gaps;
  }

  /** Up to here also what a later message of its topic has replaced is dropped. */
  get replacedUpTo(): Seq {
    return this.#replacedUpTo;
  }

  get hasDropped(): boolean {
    return this.#gaps.length > 0 || this.#replacedUpTo > this.#takenUpTo;
  }

  take(seq: Seq): void {
    if (seq <= this.#takenUpTo) return;
    this.#takenUpTo = seq;
    const next = this.#gaps[0];
    if (!next || next.after > seq) return;
    this.#gaps.shift();
    this.take(next.upTo);
  }

  /** Drops what lies in a range; ranges come in order. */
  drop(after: Seq, upTo: Seq): void {
    if (upTo <= this.#takenUpTo) return;
    if (after <= this.#takenUpTo) {
      this.take(upTo);
      return;
    }
    const last = this.#gaps.at(-1);
    const isMerged = last && (after <= last.upTo || this.#gaps.length >= maxGaps);
    if (isMerged) this.#gaps.pop();
    this.#gaps.push({ after: isMerged ? last.after : after, upTo });
  }

  dropReplaced(upTo: Seq): void {
    if (upTo > this.#replacedUpTo) this.#replacedUpTo = upTo;
  }

  isDone(seq: Seq): boolean {
    return this.isDoneWith(seq, seq);
  }

  /** With every record of a range. */
  isDoneWith(firstSeq: Seq, lastSeq: Seq): boolean {
    if (lastSeq <= this.#takenUpTo) return true;
    return this.#gaps.some(({ after, upTo }) => firstSeq > after && lastSeq <= upTo);
  }

  saved(): SavedDrops {
    return { gaps: this.#gaps, replacedUpTo: this.#replacedUpTo };
  }
}

/** What all of them are done with. */
export function commonCursor(readers: readonly { readonly cursor: ReaderCursor }[]): ReaderCursor {
  if (!readers.some(({ cursor }) => cursor.hasDropped)) return new ReaderCursor(lowestTaken(readers));
  let common: SeqRange[] | undefined;
  let replacedUpTo = Infinity;
  for (const { cursor } of readers) {
    const done = [{ after: -1, upTo: cursor.takenUpTo }, ...cursor.gaps];
    common = common ? intersect(common, done) : done;
    replacedUpTo = Math.min(replacedUpTo, Math.max(cursor.replacedUpTo, cursor.takenUpTo));
  }
  const [taken, ...gaps] = common ?? [];
  return new ReaderCursor(taken?.upTo ?? 0, {
    gaps,
    replacedUpTo: Number.isFinite(replacedUpTo) ? replacedUpTo : 0,
  });
}

function lowestTaken(readers: readonly { readonly cursor: ReaderCursor }[]): Seq {
  if (readers.length === 0) return 0;
  return readers.reduce((lowest, { cursor }) => Math.min(lowest, cursor.takenUpTo), Infinity);
}

/** Of ranges in order. */
function intersect(a: readonly SeqRange[], b: readonly SeqRange[]): SeqRange[] {
  const both: SeqRange[] = [];
  for (let [left, right] = [0, 0]; left < a.length && right < b.length;) {
    const one = a[left] as SeqRange;
    const other = b[right] as SeqRange;
    const after = Math.max(one.after, other.after);
    const upTo = Math.min(one.upTo, other.upTo);
    if (after < upTo) both.push({ after, upTo });
    if (one.upTo <= other.upTo) left += 1;
    else right += 1;
  }
  return both;
}
