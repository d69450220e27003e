import type { Seq } from "../ports/engine.ts";

const positionPattern = /^p\d+\.[0-9A-Za-z._-]+$/;
const presentFormat = /^p1\.([0-9A-Za-z_-]+)\.([0-9a-z]+)$/;
const maxPositionBytes = 1_024;

/** Whether a text looks like a position of some broker, of this or of another epoch. */
export function isPosition(text: string): boolean {
  return text.length <= maxPositionBytes && positionPattern.test(text);
}

/** Positions as clients see them: opaque texts of at most 1,024 of `[0-9A-Za-z._-]`, with the epoch of the store. */
export class PositionCodec {
  readonly #prefix: string;
  readonly #epoch: string;

  constructor(epoch: string) {
    this.#epoch = epoch.replaceAll(/[^0-9A-Za-z_-]/g, "_");
    this.#prefix = `p1.${this.#epoch}.`;
  }

  /** The text that stands for "everything up to this record". */
  encode(seq: Seq): string {
    return this.#prefix + seq.toString(36);
  }

  /** Undefined: of another epoch, so that its number means nothing here. */
  decode(position: string): Seq | undefined {
    const [, epoch, digits] = presentFormat.exec(position) ?? [];
    if (epoch !== this.#epoch || digits === undefined) return undefined;
    const seq = Number.parseInt(digits, 36);
    return Number.isSafeInteger(seq) ? seq : undefined;
  }
}
