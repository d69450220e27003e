import { levelsContain } from "../topics/filter-intersection.ts";
import type { Kv, Plain, Seq } from "../ports/engine.ts";
import { History, type HistoryStart } from "./history.ts";
import type { HistoryDeclaration } from "./history-declaration.ts";

/** What is saved of a history: since when it has been in force, and as what. */
interface SavedHistory extends HistoryStart {
  readonly filter: string;
}

/** The histories of one tenant, by name. */
export class Histories {
  readonly #kv: Kv;
  readonly #byName = new Map<string, History>();
  readonly #saved = new Map<string, SavedHistory>();

  /** @param kv a bucket for nothing else */
  constructor(kv: Kv) {
    this.#kv = kv;
  }

  get all(): Iterable<History> {
    return this.#byName.values();
  }

  get(name: string): History | undefined {
    return this.#byName.get(name);
  }

  /** Reads what was saved, before anything is declared. */
  async load(): Promise<void> {
    for await (const { key, value } of this.#kv.list(""))
      this.#saved.set(key, value as unknown as SavedHistory);
  }

  /**
   * Puts a history in force. It goes on where it was saved, or where one of the same name and filter was; else it begins
   * now, after `head`, the last number that the log has given.
   */
  declare(name: string, declaration: HistoryDeclaration, now: { head: Seq; nowMs: number }): History {
    const { filter } = declaration;
    const before = this.#byName.get(name);
    const known = before ? { filter: before.declaration.filter, ...before.start } : this.#saved.get(name);
    const isSame = known?.filter === filter && known.keptFrom <= now.head;
    const start = isSame ? known : { keptFrom: now.head, keptFromMs: now.nowMs };
    const history = new History(name, declaration, start);
    this.#byName.set(name, history);
    return history;
  }

  withdraw(name: string): void {
    this.#byName.delete(name);
    const saved = this.#saved.get(name);
    if (saved) this.#saved.set(name, { ...saved, filter: "" }); // until `save` has deleted it: it goes on as no other
  }

  /** Whether some history wants the record to stay in the log. */
  need(seq: Seq): boolean {
    for (const history of this.#byName.values()) if (history.needs(seq)) return true;
    return false;
  }

  /** Until it is false again, it is not known what they need. */
  get isRebuilding(): boolean {
    for (const history of this.#byName.values()) if (history.isRebuilding) return true;
    return false;
  }

  /** True where something went. */
  trim(nowMs: number): boolean {
    let hasTrimmed = false;
    for (const history of this.#byName.values()) hasTrimmed = history.trim(nowMs) || hasTrimmed;
    return hasTrimmed;
  }

  /** What it saves has to be durable before the log lets anything go: else a crash in between makes it promise too much. */
  async save(): Promise<void> {
    const changes: Promise<unknown>[] = [];
    for (const { name, declaration, start } of this.#byName.values()) {
      const { filter } = declaration;
      const saved = this.#saved.get(name);
      if (saved?.filter === filter && saved.keptFrom === start.keptFrom) continue;
      const value = { filter, ...start };
      changes.push(this.#kv.put(name, value satisfies Plain).then(() => this.#saved.set(name, value)));
    }
    for (const name of this.#saved.keys()) {
      if (this.#byName.has(name)) continue;
      changes.push(this.#kv.delete(name).then(() => this.#saved.delete(name)));
    }
    await Promise.all(changes);
  }

  /** Of those that have every message of the filter, the one that goes back the furthest; undefined: none has. */
  covering(filter: readonly string[]): History | undefined {
    let oldest: History | undefined;
    for (const history of this.#byName.values()) {
      if (!levelsContain(history.levels, filter)) continue;
      if (!oldest || history.completeFrom < oldest.completeFrom) oldest = history;
    }
    return oldest;
  }
}
