import type { InFlightEntry } from "./in-flight.ts";
import { type SavedEntry, toSaved } from "./saved-entry.ts";
import type { SessionRecord } from "./session-record.ts";

/**
 * Messages of share groups that have left this session in a way that their groups may not have saved: groups save their
 * cursors late, and until then the record goes on naming what went back to them, or is done at QoS 2.
 */
export class ShareReturns {
  readonly #owner: { readonly record: SessionRecord | undefined };
  #entries: SavedEntry[] = [];

  constructor(owner: { readonly record: SessionRecord | undefined }) {
    this.#owner = owner;
  }

  get entries(): readonly SavedEntry[] {
    return this.#entries;
  }

  /** To another member. */
  giveBack(entry: InFlightEntry): void {
    if (entry.seq !== undefined) this.#entries.push({ ...toSaved(entry), state: "returned" });
    if (entry.message) entry.origin?.giveBack(entry.message, entry.seq);
  }

  /** The last acknowledgement has come. */
  finish(entry: InFlightEntry): void {
    const isSharedOnce = entry.origin && entry.qos === 2 && entry.seq !== undefined;
    if (isSharedOnce) this.#entries.push({ ...toSaved(entry), state: "done" });
  }

  /** The groups have saved it of these. Resolves when the record names them no longer, or cannot be saved. */
  async forget(entries: readonly SavedEntry[]): Promise<void> {
    const forgotten = new Set(entries);
    this.#entries = this.#entries.filter((entry) => !forgotten.has(entry));
    await this.#owner.record?.save("progress").catch(() => undefined); // `recordFailed` has told
  }

  /** These are what the groups may not have saved before the crash: they have not saved it now either. */
  recover(entries: readonly SavedEntry[]): void {
    this.#entries = entries.map((entry) => ({
      ...entry,
      state: entry.state === "done" ? "done" : "returned",
    }));
  }
}
