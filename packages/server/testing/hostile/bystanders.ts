import { setTimeout } from "node:timers/promises";
import type { MqttTestClient } from "@weir/testkit";
import type { BrokerProcess } from "./broker-process.ts";

const PAUSE_MS = 2;
const topic = "bystanders/messages";

/** A publisher and a subscriber who have nothing to do with what happens around them, and exchange messages all the time. */
export class Bystanders {
  readonly #publisher: MqttTestClient;
  readonly #subscriber: MqttTestClient;
  readonly #delaysMs: number[] = [];
  #isStopping = false;
  #running: Promise<void> | undefined;

  private constructor(publisher: MqttTestClient, subscriber: MqttTestClient) {
    this.#publisher = publisher;
    this.#subscriber = subscriber;
  }

  static async start(broker: BrokerProcess): Promise<Bystanders> {
    const publisher = await broker.connect({ clientId: "bystander-publisher" });
    const subscriber = await broker.connect({ clientId: "bystander-subscriber" });
    await subscriber.subscribe({ topicFilter: topic, qos: 1 });
    const bystanders = new Bystanders(publisher, subscriber);
    bystanders.#running = bystanders.#run();
    bystanders.#running.catch(() => undefined); // told to whoever asks
    return bystanders;
  }

  /** How many messages have come through so far. */
  get exchanged(): number {
    return this.#delaysMs.length;
  }

  /** Resolves when another message has come through; rejects if none does. */
  async exchangeAnother(): Promise<void> {
    const before = this.exchanged;
    while (this.exchanged === before) await Promise.race([this.#running, setTimeout(PAUSE_MS)]);
  }

  /** Each message came, in order and once, or this rejects. Gives how long they took. */
  async stop(): Promise<{ readonly exchanged: number; readonly maxDelayMs: number }> {
    this.#isStopping = true;
    await this.#running;
    return { exchanged: this.exchanged, maxDelayMs: Math.max(...this.#delaysMs) };
  }

  async #run(): Promise<void> {
    for (let count = 0; !this.#isStopping; count++) {
      const sentAtMs = performance.now();
      const [message] = await Promise.all([
        this.#subscriber.receiveMessage(),
        this.#publisher.publish(topic, String(count), { qos: 1 }),
      ]);
      const received = Buffer.from(message.payload).toString();
      if (received !== String(count)) throw new Error(`expected message ${count}, received ${received}`);
      this.#delaysMs.push(performance.now() - sentAtMs);
      // Gathered by the test client for other tests
      this.#subscriber.chunks.length = 0;
      this.#publisher.chunks.length = 0;
      await setTimeout(PAUSE_MS);
    }
  }
}
