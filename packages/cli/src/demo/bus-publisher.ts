import { connectAsync, type MqttClient } from "mqtt";
import type { BusReport } from "./bus-reports.ts";
import { ownerOf } from "./demo-users.ts";
import { Replay } from "./replay.ts";

export interface BusPublisherOptions {
  /** `mqtt://host:port` */
  readonly url: string;
  readonly key: string;
  readonly reports: readonly BusReport[];
  /** Seconds of the recording in a second. */
  readonly speed: number;
}

/** Where the replay begins: six of the eight buses drive. */
const BEGIN = Date.parse("2026-01-26T16:44:30Z");

/** Publishes what the buses report, retained and at QoS 1, over an MQTT connection with its own token. */
export class BusPublisher {
  readonly #client: MqttClient;
  readonly #replay: Replay;
  #published = 0;

  constructor(client: MqttClient, { reports, speed }: BusPublisherOptions) {
    this.#client = client;
    this.#replay = new Replay({ reports, speed, fromMs: BEGIN, publish: (report) => this.#publish(report) });
    this.#replay.start();
  }

  /** Connects and begins. Must be closed. */
  static async open(options: BusPublisherOptions): Promise<BusPublisher> {
    const client = await connectAsync(options.url, {
      protocolVersion: 5,
      clientId: "demo-publisher",
      username: options.key,
    });
    // MQTT.js connects again by itself; without a listener an error would end the process.
    client.on("error", () => undefined);
    return new BusPublisher(client, options);
  }

  /** How many reports the broker has acknowledged. */
  get published(): number {
    return this.#published;
  }

  async close(): Promise<void> {
    this.#replay.stop();
    await this.#client.endAsync();
  }

  #publish(report: BusReport): void {
    const topic = `data/${ownerOf(report.bus)}/${report.bus}`;
    this.#client.publish(topic, JSON.stringify(report), { qos: 1, retain: true }, (error) => {
      if (!error) this.#published++;
    });
  }
}
