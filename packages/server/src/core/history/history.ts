import { splitLevels } from "@weir/protocol";
import type { LogRecord, Seq, StoredRecord } from "../ports/engine.ts";
import type { HistoryDeclaration } from "./history-declaration.ts";
import { RetentionLedger } from "./retention-ledger.ts";
import { SeqSet } from "./seq-set.ts";

/** What a record takes beside its topic and payload, more or less. */
const overheadBytes = 64;

/**
 * Topics that are always logged: which records of the log they have, how long these are kept, and since when none is
 * missing. A leaf of the subscription tree, so that topics without a history cost nothing.
 */
export class History {
  readonly kind = "history";
  readonly name: string;
  readonly declaration: HistoryDeclaration;
  readonly levels: readonly string[];
  readonly #seqs = new SeqSet();
  readonly #ledger: RetentionLedger;
  #completeFrom: Seq;
  /** Records that came while the older ones are still being read from the log. */
  #waiting: StoredRecord[] | undefined = [];

  /** @param completeFrom it has been in force since this record; until `rebuilt` nothing of it may go. */
  constructor(name: string, declaration: HistoryDeclaration, completeFrom: Seq) {
    this.name = name;
    this.declaration = declaration;
    this.levels = splitLevels(declaration.filter);
    this.#ledger = new RetentionLedger({
      maxAgeMs: declaration.maxAge * 1_000,
      maxBytes: declaration.maxBytes,
    });
    this.#completeFrom = completeFrom;
  }

  /** Every message on its topics above this number is in the log. */
  get completeFrom(): Seq {
    return this.#completeFrom;
  }

  get isRebuilding(): boolean {
    return this.#waiting !== undefined;
  }

  get bytes(): number {
    return this.#ledger.bytes;
  }

  /** A new record on its topics, in the order of the log. */
  note(stored: StoredRecord): void {
    if (this.#waiting) this.#waiting.push(stored);
    else this.#take(stored);
  }

  /** An older one, read from the log after a start or a change. */
  recover(stored: StoredRecord): void {
    if (stored.seq > this.#completeFrom) this.#take(stored);
  }

  /** All older ones were read. */
  rebuilt(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const stored of waiting) this.#take(stored);
  }

  /** Whether the record is still part of it. Only for records on its topics. */
  has(seq: Seq): boolean {
    return seq > this.#completeFrom && (this.#waiting !== undefined || this.#seqs.has(seq));
  }

  /** Whether the log has to keep the record for it. */
  needs(seq: Seq): boolean {
    return seq > this.#completeFrom && this.#seqs.has(seq);
  }

  /** Lets go what is too old or too much; true where something went. */
  trim(nowMs: number): boolean {
    const last = this.isRebuilding ? undefined : this.#ledger.trim(nowMs);
    if (last === undefined) return false;
    this.#completeFrom = last;
    this.#seqs.forgetUpTo(last);
    return true;
  }

  /** A number above which all its records of that time or later lie. */
  before(atMs: number): Seq {
    if (this.isRebuilding) return this.#completeFrom;
    return Math.max(this.#completeFrom, this.#ledger.before(atMs) ?? 0);
  }

  #take({ seq, record }: StoredRecord): void {
    this.#seqs.add(seq);
    this.#ledger.note(seq, bytesOf(record), record.publishedAtMs);
  }
}

function bytesOf({ topic, payload, properties }: LogRecord): number {
  let bytes = overheadBytes + topic.length + payload.length;
  for (const [name, value] of properties?.userProperties ?? []) bytes += name.length + value.length;
  return bytes;
}
