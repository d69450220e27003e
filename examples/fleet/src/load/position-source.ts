import { Agent, request } from "node:http";

export interface PositionSourceOptions {
  readonly ingestUrl: string;
  readonly deviceIds: readonly string[];
  /** Positions a second, of all devices together. */
  readonly ratePerS: number;
}

const TICK_MS = 10;
const MAX_SOCKETS = 64;
const CENTRE = { lat: 53.41, lon: -2.95 };
const RADIUS_DEGREES = 0.05;
const DEGREES_A_STEP = 2;

/** Sends positions over HTTP at a steady rate, each device in its turn; each drives around in a circle. */
export class PositionSource {
  readonly #options: PositionSourceOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  readonly #startedMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  #begun = 0;
  #accepted = 0;
  #refused = 0;

  constructor(options: PositionSourceOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** How many were answered with 200. */
  get accepted(): number {
    return this.#accepted;
  }

  /** How many were answered otherwise, or not at all. */
  get refused(): number {
    return this.#refused;
  }

  /** Resolves when everything that was sent has been answered. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    while (this.#accepted + this.#refused < this.#begun)
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    this.#agent.destroy();
  }

  #tick(): void {
    const due = ((performance.now() - this.#startedMs) / 1_000) * this.#options.ratePerS;
    while (this.#begun < due) this.#send(this.#begun++);
  }

  #send(index: number): void {
    const { deviceIds, ingestUrl } = this.#options;
    const device = index % deviceIds.length;
    const turn = Math.floor(index / deviceIds.length);
    const angle = (((device * 360) / deviceIds.length + turn * DEGREES_A_STEP) * Math.PI) / 180;
    const radius = RADIUS_DEGREES * (0.2 + (0.8 * (device % 100)) / 100);
    const query = new URLSearchParams({
      id: deviceIds[device] as string,
      lat: (CENTRE.lat + radius * Math.sin(angle)).toFixed(6),
      lon: (CENTRE.lon + (radius * Math.cos(angle)) / 0.6).toFixed(6),
      timestamp: String(Date.now()),
      speed: "20",
      bearing: String(Math.round(360 - (angle * 180) / Math.PI) % 360),
    });
    const sent = request(
      `${ingestUrl}/?${query.toString()}`,
      { method: "POST", agent: this.#agent },
      (response) => {
        if (response.statusCode === 200) this.#accepted++;
        else this.#refused++;
        response.resume();
      },
    );
    sent.on("error", () => this.#refused++);
    sent.end();
  }
}
