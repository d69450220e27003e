import type { MqttClient } from "mqtt";
import { parseBusReport, type BusReport } from "./bus-report.ts";

export type FeedState =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  | { readonly kind: "lost" }
  | { readonly kind: "refused"; readonly reason: string };

/** What the broker answered to a request for a topic filter. */
export type Grant =
  | {
      readonly kind: "granted";
      readonly filter: string;
      readonly effective: readonly string[];
      readonly more: number;
    }
  | { readonly kind: "refused"; readonly filter: string; readonly code: number };

export interface FeedListener {
  readonly onState: (state: FeedState) => void;
  /** `isRetained`: it was there before we asked, and may be old. */
  readonly onReport: (report: BusReport, isRetained: boolean) => void;
  readonly onGrant: (grant: Grant) => void;
}

interface Suback {
  readonly granted: readonly (number | { readonly qos: number })[];
  readonly properties?: { readonly userProperties?: Readonly<Record<string, string | string[]>> };
}

const EVERYTHING = "#";

/** The user's connection: MQTT 5 over WebSocket with the user's own token, subscribed to everything. */
export class BusFeed {
  readonly #listener: FeedListener;
  #client: MqttClient | undefined;

  constructor(listener: FeedListener) {
    this.#listener = listener;
  }

  async open(url: string, token: string): Promise<void> {
    this.#listener.onState({ kind: "connecting" });
    const { default: mqtt } = await import("mqtt");
    const client = mqtt.connect(url, {
      protocolVersion: 5,
      username: token,
      keepalive: 30,
      reconnectPeriod: 1_500,
      resubscribe: false,
      timerVariant: "native",
    });
    this.#client = client;
    client.on("connect", () => void this.#onConnect());
    client.on("close", () => this.#listener.onState({ kind: "lost" }));
    client.on("message", (_topic, payload, packet) => {
      const report = parseBusReport(payload);
      if (report) this.#listener.onReport(report, packet.retain);
    });
    client.on("error", (error) => this.#onError(client, error));
    client.on("disconnect", ({ reasonCode }) => {
      if (reasonCode === 0x98 || reasonCode === 0xa0) this.#refuse(client, "The token has ended.");
    });
  }

  /** Asks for one more topic filter and leaves it again: only the answer matters. */
  async ask(filter: string): Promise<void> {
    const grant = await this.#subscribe(filter, 2);
    this.#listener.onGrant(grant);
    if (grant.kind === "granted" && filter !== EVERYTHING) await this.#client?.unsubscribeAsync(filter);
  }

  async #onConnect(): Promise<void> {
    this.#listener.onState({ kind: "live" });
    this.#listener.onGrant(await this.#subscribe(EVERYTHING, 0));
  }

  #subscribe(filter: string, retainHandling: 0 | 2): Promise<Grant> {
    return new Promise((resolve) => {
      this.#client?.subscribe(filter, { qos: 1, rh: retainHandling }, (error, _granted, packet) => {
        resolve(toGrant(filter, packet as Suback | undefined, error));
      });
    });
  }

  #onError(client: MqttClient, error: Error): void {
    const { code } = error as { code?: unknown };
    if (typeof code === "number")
      this.#refuse(client, `${error.message} (0x${code.toString(16).toUpperCase()}).`);
  }

  #refuse(client: MqttClient, reason: string): void {
    client.removeAllListeners("message");
    client.end(true);
    // After "lost", which the end of the connection brings.
    setTimeout(() => this.#listener.onState({ kind: "refused", reason }), 50);
  }
}

function toGrant(filter: string, packet: Suback | undefined, error: Error | null): Grant {
  const first = packet?.granted[0] ?? 0x80;
  const code = typeof first === "number" ? first : first.qos;
  if (code >= 0x80 || (error && !packet)) return { kind: "refused", filter, code };
  const told = packet?.properties?.userProperties ?? {};
  const effective = [told["effective-filter"] ?? []].flat();
  return { kind: "granted", filter, effective, more: Number([told["effective-filter-more"] ?? 0].flat()[0]) };
}
