import type { ByteSink, ByteStream } from "../src/core/ports/byte-stream.ts";

/** A stream in memory: the test decides when its kernel takes what. */
export class FakeStream implements ByteStream {
  /** What each call of `write` or `writeAll` has brought, copied when it was called. */
  readonly writes: Buffer[] = [];
  readonly calls: ("pause" | "resume" | "end" | "destroy")[] = [];
  unsentBytes = 0;
  /** False: the kernel takes nothing until `take`. */
  isFluent = true;
  #sink: ByteSink | undefined;
  #lent: readonly Uint8Array[] = [];

  get sink(): ByteSink {
    if (this.#sink === undefined) throw new Error("nobody has attached");
    return this.#sink;
  }

  /** Everything that was written. */
  get written(): Buffer {
    return Buffer.concat(this.writes);
  }

  get isPaused(): boolean {
    return this.calls.findLast((call) => call === "pause" || call === "resume") === "pause";
  }

  attach(sink: ByteSink): void {
    this.#sink = sink;
  }

  write(bytes: Uint8Array): boolean {
    return this.writeAll([bytes]);
  }

  writeAll(parts: readonly Uint8Array[]): boolean {
    if (this.unsentBytes > 0) throw new Error("written to before the last write was taken");
    const bytes = Buffer.concat(parts);
    this.writes.push(bytes);
    if (this.isFluent) return true;
    this.unsentBytes = bytes.length;
    this.#lent = parts;
    return false;
  }

  /** The kernel takes what was lent to it; throws if somebody has changed it meanwhile. */
  take(): void {
    if (!Buffer.concat(this.#lent).equals(this.writes.at(-1) ?? Buffer.alloc(0))) {
      throw new Error("lent bytes were used anew");
    }
    this.unsentBytes = 0;
    this.#lent = [];
    this.sink.taken();
  }

  pause(): void {
    this.calls.push("pause");
  }

  resume(): void {
    this.calls.push("resume");
  }

  end(): void {
    this.calls.push("end");
  }

  destroy(): void {
    this.calls.push("destroy");
  }
}
