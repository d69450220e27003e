import type { Logger } from "pino";
import type { Movement } from "./movements.ts";

export interface TrackerOptions {
  readonly ingestUrl: string;
  readonly deviceId: string;
  readonly logger: Logger;
}

const KNOTS_PER_KMH = 1 / 1.852;
const MAX_WAITING = 1_000;
const RETRY_MS = 1_000;
const TIMEOUT_MS = 10_000;

/** What a tracker does: it sends its positions over HTTP (OsmAnd protocol), in order, and keeps what could not be sent. */
export class Tracker {
  readonly #options: TrackerOptions;
  #waiting: URLSearchParams[] = [];
  #sending: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: TrackerOptions) {
    this.#options = options;
  }

  /** It is there now, whenever the recording was made. */
  report({ lat, lon, speed, bearing }: Movement): void {
    const report = new URLSearchParams({
      id: this.#options.deviceId,
      lat: String(lat),
      lon: String(lon),
      timestamp: String(Date.now()),
    });
    if (speed !== undefined) report.set("speed", (speed * KNOTS_PER_KMH).toFixed(2));
    if (bearing !== undefined) report.set("bearing", bearing.toFixed(0));
    this.#waiting.push(report);
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = undefined));
  }

  /** Resolves when what is being sent has been answered; what waits is lost. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiting = [];
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    for (let report = this.#waiting[0]; report && !this.#isClosed; report = this.#waiting[0]) {
      if (await this.#send(report)) this.#waiting.shift();
      else await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  /** False: try again later. What is refused as wrong is not tried again. */
  async #send(report: URLSearchParams): Promise<boolean> {
    try {
      const url = `${this.#options.ingestUrl}/?${report.toString()}`;
      const response = await fetch(url, { method: "POST", signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (response.status === 400) this.#options.logger.warn({ answer: await response.text() }, "refused");
      return response.ok || response.status === 400;
    } catch {
      return false;
    }
  }
}
