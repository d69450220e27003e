import { EngineError, type Held, type OwnedKind, type OwnedParts } from "../../core/ports/engine.ts";
import { copyPlain } from "./plain-copy.ts";

/** One session record or share group as it is stored. */
export interface OwnedRow {
  readonly kind: OwnedKind;
  readonly tenant: string;
  readonly id: string;
  readonly identity: string;
  parts: OwnedParts;
  holder: { readonly nodeId: string; readonly held: Held } | undefined;
}

/** Which node holds what, and the parts. Nothing stays of a row in which nothing was saved once its hold ends. */
export class OwnedRows {
  readonly #rows = new Map<string, OwnedRow>();
  #epoch = 0;

  /** Throws `foreign`. Returns the new hold and the one that it ended. */
  acquire(
    key: Pick<OwnedRow, "kind" | "tenant" | "id" | "identity">,
    nodeId: string,
  ): { held: Held; ended: OwnedRow["holder"] } {
    const { kind, tenant, id, identity } = key;
    const row = this.#rows.get(rowKey(key)) ?? this.#create(key);
    if (row.identity !== identity)
      throw new EngineError("foreign", `${kind} ${id} belongs to another identity`);
    const ended = row.holder;
    this.#epoch += 1;
    const parts = copyPlain(row.parts as Record<string, undefined>) as OwnedParts;
    const held: Held = { kind, tenant, id, epoch: this.#epoch, created: isEmpty(parts), parts };
    row.holder = { nodeId, held };
    return { held, ended };
  }

  /** Throws `fenced`. Parts that are undefined stay as they are. */
  save(held: Held, parts: OwnedParts): void {
    const row = this.#heldRow(held);
    const given = Object.entries(parts).filter(([, part]) => part !== undefined);
    row.parts = { ...row.parts, ...Object.fromEntries(given) };
  }

  /** Throws `fenced` where something was to be forgotten that another holds. True: it is stored and nobody holds it. */
  release(held: Held, forget: boolean): boolean {
    if (!forget && !this.#isHeld(held)) return false;
    const row = this.#heldRow(held);
    row.holder = undefined;
    if (forget || isEmpty(row.parts)) this.#rows.delete(rowKey(row));
    return !forget && !isEmpty(row.parts);
  }

  /** Returns what is stored and was held by the node. */
  endHolds(nodeId: string): readonly OwnedRow[] {
    const held = [...this.#rows.values()].filter((row) => row.holder?.nodeId === nodeId);
    return held.filter((row) => this.release(row.holder!.held, false));
  }

  /** What has been saved, in no particular order. */
  list(kind: OwnedKind, tenant: string): readonly OwnedRow[] {
    return [...this.#rows.values()].filter(
      (row) => row.kind === kind && row.tenant === tenant && !isEmpty(row.parts),
    );
  }

  #create(key: Pick<OwnedRow, "kind" | "tenant" | "id" | "identity">): OwnedRow {
    const row: OwnedRow = { ...key, parts: {}, holder: undefined };
    this.#rows.set(rowKey(key), row);
    return row;
  }

  #isHeld(held: Held): boolean {
    return this.#rows.get(rowKey(held))?.holder?.held.epoch === held.epoch;
  }

  #heldRow(held: Held): OwnedRow {
    if (!this.#isHeld(held)) throw new EngineError("fenced", `the hold on ${held.kind} ${held.id} was lost`);
    return this.#rows.get(rowKey(held))!;
  }
}

function rowKey(key: { readonly kind: OwnedKind; readonly tenant: string; readonly id: string }): string {
  return `${key.kind} ${key.tenant.length} ${key.tenant} ${key.id}`;
}

function isEmpty(parts: OwnedParts): boolean {
  return parts.meta === undefined && parts.cursor === undefined && parts.inFlight === undefined;
}
