const PLAIN_INTERVAL_MS = 5_000;

/** One live line on a terminal, a line now and then elsewhere. */
export class LiveLine {
  readonly #stream: NodeJS.WriteStream;
  #shownAtMs = performance.now();

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show(text: string): void {
    if (this.#stream.isTTY) {
      this.#stream.write(`\r\u001b[2K${text.slice(0, (this.#stream.columns || 80) - 1)}`);
      return;
    }
    if (performance.now() - this.#shownAtMs < PLAIN_INTERVAL_MS) return;
    this.#shownAtMs = performance.now();
    this.#stream.write(`${text}\n`);
  }

  clear(): void {
    if (this.#stream.isTTY) this.#stream.write("\r\u001b[2K");
  }
}
