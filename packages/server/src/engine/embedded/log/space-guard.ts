import type { Clock, Timer } from "../../../core/ports/clock.ts";
import type { Files } from "../disk/files.ts";

/** How often it is looked whatever is written: others use the disk too. */
const lookMs = 1_000;
/** Looked at anew after this share of the reserve was written. */
const shareBetweenLooks = 8;
/** Not full any longer: this much above the reserve, so that it does not flutter. */
const recoveredRatio = 9 / 8;

/** Watches the free space: below the reserve appends are refused, and what makes room goes on. */
export class SpaceGuard {
  readonly #options: {
    readonly files: Files;
    readonly directory: string;
    readonly clock: Clock;
    readonly reserveBytes: number;
    readonly onChange: (isFull: boolean) => void;
  };
  #isFull = false;
  #isLooking = false;
  #isStopped = false;
  #writtenBytes = 0;
  #timer: Timer | undefined;

  constructor(options: {
    readonly files: Files;
    readonly directory: string;
    readonly clock: Clock;
    readonly reserveBytes: number;
    readonly onChange: (isFull: boolean) => void;
  }) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  async start(): Promise<void> {
    await this.look();
    this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  wrote(bytes: number): void {
    this.#writtenBytes += bytes;
    if (this.#writtenBytes * shareBetweenLooks > this.#options.reserveBytes) void this.look();
  }

  /** The system has refused a write: full, whatever it says is free. */
  refused(): void {
    this.#change(true);
  }

  async look(): Promise<void> {
    if (this.#isLooking || this.#isStopped) return;
    this.#isLooking = true;
    this.#writtenBytes = 0;
    try {
      const { files, directory, reserveBytes } = this.#options;
      const freeBytes = await files.freeBytes(directory);
      const enoughBytes = this.#isFull ? reserveBytes * recoveredRatio : reserveBytes;
      if (!this.#isStopped) this.#change(freeBytes < enoughBytes);
    } catch {
      // A file system that does not tell: the writes themselves will.
    } finally {
      this.#isLooking = false;
    }
  }

  #schedule(): void {
    this.#timer = this.#options.clock.after(lookMs, () => {
      void this.look();
      if (!this.#isStopped) this.#schedule();
    });
  }

  #change(isFull: boolean): void {
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    this.#options.onChange(isFull);
  }
}
