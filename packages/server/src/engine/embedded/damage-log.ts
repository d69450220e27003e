import { basename, join } from "node:path";
import type { Logger } from "../../core/ports/telemetry.ts";
import { type Files, replaceFile } from "./disk/files.ts";

/** Something on the disk that is not what was written. */
export interface DamageReport {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  /** Numbers of records that may have been lost: from and to, where that is known. */
  readonly lost: { readonly from: number; readonly to: number } | undefined;
  /** What was there, set aside; undefined where nothing could be read. */
  readonly setAside: string | undefined;
}

const maxReports = 1_000;
const maxSetAsideBytes = 16 * 1_048_576;

/** Keeps what is damaged beside the store, and says what was lost. */
export class DamageLog {
  readonly reports: DamageReport[] = [];
  readonly #files: Files;
  readonly #directory: string;
  readonly #logger: Logger;

  constructor(options: { files: Files; directory: string; logger: Logger }) {
    this.#files = options.files;
    this.#directory = join(options.directory, "damaged");
    this.#logger = options.logger;
  }

  /** `content` is what stands there. Never rejects: a report is not worth an engine. */
  async note(damage: Omit<DamageReport, "setAside" | "bytes">, content: Uint8Array): Promise<void> {
    if (this.reports.length >= maxReports) return;
    const { path, offset, lost } = damage;
    if (this.reports.some((report) => report.path === path && report.offset === offset)) return;
    const report = { path, offset, lost, bytes: content.byteLength };
    const index = this.reports.push({ ...report, setAside: undefined }) - 1;
    const setAside = await this.#setAside(`${basename(path)}-${offset}`, content);
    this.reports[index] = { ...report, setAside };
    this.#logger.error(
      { path, offset, bytes: report.bytes, lost, setAside },
      "the store is damaged here; what could not be read was set aside, the rest is in use",
    );
  }

  /** Something that happened without a loss of what was acknowledged. */
  warn(fields: Readonly<Record<string, unknown>>, text: string): void {
    this.#logger.warn(fields, text);
  }

  async #setAside(name: string, content: Uint8Array): Promise<string | undefined> {
    const path = join(this.#directory, name);
    try {
      await this.#files.makeDirectory(this.#directory);
      await replaceFile(this.#files, path, content.subarray(0, maxSetAsideBytes));
      return path;
    } catch {
      return undefined;
    }
  }
}
