import type { MqttClient } from "mqtt";
import type { Alarm, Command, MqttAccess, Position } from "weir-fleet/contract";
import { claimClientId } from "./browser-client-id.ts";

export type LiveState = "connecting" | "live" | "reconnecting" | "signed-out";

export interface LiveEvents {
  readonly state: (state: LiveState) => void;
  readonly position: (userId: string, sensorId: string, position: Position) => void;
  /** A sensor was deleted: the broker holds no last position of it any longer. */
  readonly gone: (sensorId: string) => void;
  readonly alarm: (alarm: Alarm) => void;
  /** What the user may see has changed. */
  readonly rightsChanged: () => void;
  /** The access token has ended; whoever has another gives it to a new connection. */
  readonly ended: () => void;
}

/** The broker keeps alarms for a browser that is closed for so long. */
const SESSION_EXPIRY_S = 7 * 86_400;
const RECONNECT_MS = 1_000;
/** Reason codes of MQTT 5 that say: this credential is no good (any longer). */
const ENDED: ReadonlySet<number> = new Set([0x86, 0x87, 0x98, 0xa0]);
/** The broker narrows these to what the user may see. */
const POSITIONS = "data/+/+";
const ALARMS = "data/+/alarms";
const RIGHTS = "$client/acl";

/** The page's connection to the broker: positions, alarms, changed rights; commands the other way. */
export class LiveConnection {
  readonly #access: MqttAccess;
  readonly #userId: string;
  readonly #events: LiveEvents;
  #client: MqttClient | undefined;
  #isClosed = false;

  constructor(access: MqttAccess, userId: string, events: LiveEvents) {
    this.#access = access;
    this.#userId = userId;
    this.#events = events;
  }

  async open(): Promise<void> {
    this.#events.state("connecting");
    const [{ default: mqtt }, { clientId, isPersistent }] = await Promise.all([
      import("mqtt"),
      claimClientId(this.#userId),
    ]);
    if (this.#isClosed) return;
    const client = mqtt.connect(this.#access.url, {
      protocolVersion: 5,
      clientId,
      username: this.#access.token,
      clean: !isPersistent,
      keepalive: 30,
      reconnectPeriod: RECONNECT_MS,
      resubscribe: false,
      ...(isPersistent && { properties: { sessionExpiryInterval: SESSION_EXPIRY_S } }),
    });
    this.#client = client;
    client.on("connect", () => this.#subscribe(client));
    client.on("message", (topic, payload) => this.#receive(topic, payload));
    client.on("disconnect", ({ reasonCode }) => this.#refused(reasonCode));
    client.on("error", (error) => this.#refused((error as { readonly code?: unknown }).code));
    client.on("close", () => {
      if (!this.#isClosed) this.#events.state("reconnecting");
    });
  }

  /** Resolves when the broker has it: a device that is off gets it when it is back. */
  async command(sensorId: string, command: Command): Promise<void> {
    if (!this.#client?.connected) throw new Error("There is no connection at the moment.");
    const topic = `cmd/${this.#userId}/${sensorId}`;
    await this.#client.publishAsync(topic, JSON.stringify(command), { qos: 1 });
  }

  close(): void {
    this.#isClosed = true;
    this.#client?.end();
  }

  /** Each time, also in a session that goes on: then the last positions come again, and nothing is out of date. */
  #subscribe(client: MqttClient): void {
    client.subscribe({ [ALARMS]: { qos: 1 }, [POSITIONS]: { qos: 0 }, [RIGHTS]: { qos: 0 } }, (error) => {
      if (!error) this.#events.state("live");
    });
  }

  #receive(topic: string, payload: Uint8Array): void {
    if (topic === RIGHTS) return this.#events.rightsChanged();
    const [, userId = "", sensorId = ""] = topic.split("/");
    if (payload.length === 0) return this.#events.gone(sensorId);
    const value = parse(payload);
    if (value === undefined) return undefined;
    if (sensorId === "alarms") return this.#events.alarm(value as Alarm);
    return this.#events.position(userId, sensorId, value as Position);
  }

  #refused(code: unknown): void {
    if (this.#isClosed || typeof code !== "number" || !ENDED.has(code)) return;
    this.close();
    this.#events.state("signed-out");
    this.#events.ended();
  }
}

const decoder = new TextDecoder();

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(payload));
  } catch {
    return undefined;
  }
}
