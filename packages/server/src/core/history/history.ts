import { splitLevels } from "@weir/protocol";
import type { LogRecord, Seq, StoredRecord } from "../ports/engine.ts";
import type { HistoryDeclaration } from "./history-declaration.ts";
import { RetentionLedger } from "./retention-ledger.ts";
import { SeqSet } from "./seq-set.ts";

/** What a record takes beside its topic and payload, more or less. */
const overheadBytes = 64;

/** Since when a history has been in force, less what it has let go. */
export interface HistoryStart {
  /** It has what lies above this number. */
  readonly keptFrom: Seq;
  /** Everything that was published later is above that; milliseconds since the epoch. */
  readonly keptFromMs: number;
}

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
  /** What lies at or below this number is no part of it. */
  #keptFrom: Seq;
  #keptFromMs: number;
  /** A message before this number could not be logged. */
  #missedAt: Seq = 0;
  #recoveredUpTo: Seq;
  /** Records that came while the older ones are still being read from the log. */
  #waiting: StoredRecord[] | undefined = [];

  /** Until it is `rebuilt` nothing of it may go. */
  constructor(name: string, declaration: HistoryDeclaration, start: HistoryStart) {
    this.name = name;
    this.declaration = declaration;
    this.levels = splitLevels(declaration.filter);
    this.#ledger = new RetentionLedger({
      maxAgeMs: declaration.maxAge * 1_000,
      maxBytes: declaration.maxBytes,
    });
    this.#keptFrom = start.keptFrom;
    this.#keptFromMs = start.keptFromMs;
    this.#recoveredUpTo = start.keptFrom;
  }

  /** What is saved of it. */
  get start(): HistoryStart {
    return { keptFrom: this.completeFrom, keptFromMs: this.#keptFromMs };
  }

  /** Every message on its topics above this number is in the log. */
  get completeFrom(): Seq {
    return Math.max(this.#keptFrom, this.#missedAt);
  }

  /** The same as a time: everything that was published later is in the log. */
  get completeFromMs(): number {
    return this.#keptFromMs;
  }

  /** Where the reading of older ones goes on. */
  get recoveredUpTo(): Seq {
    return this.#recoveredUpTo;
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
    this.#recoveredUpTo = stored.seq;
    this.#take(stored);
  }

  /** A message could not be logged, when the log's last number was this. */
  missed(head: Seq, nowMs: number): void {
    this.#missedAt = head;
    this.#keptFromMs = nowMs;
  }

  /** All older ones were read. */
  rebuilt(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const stored of waiting) this.#take(stored);
  }

  /** Whether the record is still part of it. Only for records on its topics. */
  has(seq: Seq): boolean {
    return seq > this.#keptFrom && (this.#waiting !== undefined || this.#seqs.has(seq));
  }

  /** Whether the log has to keep the record for it. */
  needs(seq: Seq): boolean {
    return seq > this.#keptFrom && this.#seqs.has(seq);
  }

  /** Lets go what is too old or too much; true where something went. */
  trim(nowMs: number): boolean {
    const last = this.isRebuilding ? undefined : this.#ledger.trim(nowMs);
    if (last === undefined) return false;
    this.#keptFrom = last.seq;
    this.#keptFromMs = Math.max(this.#keptFromMs, last.atMs);
    this.#seqs.forgetUpTo(last.seq);
    return true;
  }

  /** A number above which all its records of that time or later lie. */
  before(atMs: number): Seq {
    if (this.isRebuilding) return this.#keptFrom;
    return Math.max(this.#keptFrom, this.#ledger.before(atMs) ?? 0);
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
