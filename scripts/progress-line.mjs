const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const LIVE_INTERVAL_MS = 100;
const PLAIN_INTERVAL_MS = 10_000;

/**
 * Says what is being waited for, and for how long already: one live line on a terminal, a line every ten seconds
 * elsewhere. Writes to stderr, so that what a command prints on stdout stays its own.
 */
export class ProgressLine {
  #stream;
  #title = "";
  #startedAtMs = 0;
  #frame = 0;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /** @param {NodeJS.WriteStream} stream */
  constructor(stream = process.stderr) {
    this.#stream = stream;
  }

  /** @param {string} title what is going on, without a full stop */
  start(title) {
    this.stop();
    this.#title = title;
    this.#startedAtMs = Date.now();
    if (!this.#stream.isTTY) this.#stream.write(`${title} ...\n`);
    this.#timer = setInterval(() => this.#show(), this.#stream.isTTY ? LIVE_INTERVAL_MS : PLAIN_INTERVAL_MS);
  }

  /** @param {string} result what came of it */
  done(result) {
    const elapsedS = this.#elapsedS();
    this.stop();
    this.#stream.write(`${result} (${elapsedS} s)\n`);
  }

  /** Takes the live line away; nothing is left behind. */
  stop() {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#stream.isTTY) this.#stream.write("\r\u001b[2K");
  }

  #show() {
    if (!this.#stream.isTTY) {
      this.#stream.write(`${this.#title} ... ${this.#elapsedS()} s\n`);
      return;
    }
    this.#frame = (this.#frame + 1) % SPINNER.length;
    const line = `${SPINNER[this.#frame]} ${this.#title} … ${this.#elapsedS()} s`;
    // A line longer than the terminal would wrap, and could then not be overwritten.
    this.#stream.write(`\r\u001b[2K${line.slice(0, (this.#stream.columns || 80) - 1)}`);
  }

  #elapsedS() {
    return Math.round((Date.now() - this.#startedAtMs) / 1000);
  }
}
