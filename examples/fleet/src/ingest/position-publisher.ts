import type { MqttClient } from "mqtt";
import { type Position, positionTopic } from "../contract/index.ts";
import type { Device } from "./device-directory.ts";

/** The broker cannot take it now: the device is to send it again later. */
export class BrokerAway extends Error {
  override readonly name = "BrokerAway";
}

/** What was published and not acknowledged, at most: beyond it devices are asked to wait. */
const MAX_OUTSTANDING = 5_000;

/** Publishes positions at QoS 1, retained: the last one of each sensor is what a page sees first. */
export class PositionPublisher {
  readonly #client: MqttClient;
  #outstanding = 0;

  constructor(client: MqttClient) {
    this.#client = client;
  }

  /** Resolves when the broker has acknowledged it, which means that it is on disk. Rejects with {@link BrokerAway}. */
  publish({ userId, sensorId }: Device, position: Position): Promise<void> {
    return this.#publish(positionTopic(userId, sensorId), JSON.stringify(position));
  }

  /** Lets the broker forget the last position. */
  clear({ userId, sensorId }: Device): Promise<void> {
    return this.#publish(positionTopic(userId, sensorId), "");
  }

  async #publish(topic: string, payload: string): Promise<void> {
    if (!this.#client.connected) throw new BrokerAway("the broker is not connected");
    if (this.#outstanding >= MAX_OUTSTANDING) throw new BrokerAway("too much waits for the broker");
    this.#outstanding++;
    try {
      await this.#client.publishAsync(topic, payload, { qos: 1, retain: true });
    } catch (error) {
      throw new BrokerAway("the broker has not taken it", { cause: error });
    } finally {
      this.#outstanding--;
    }
  }
}
