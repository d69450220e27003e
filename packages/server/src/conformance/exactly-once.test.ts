import {
  type BrokerFixture,
  type ClientOptions,
  type MqttTestClient,
  startBroker,
  textOf,
} from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

let broker: BrokerFixture;

beforeAll(async () => {
  broker = await startBroker();
});
afterAll(() => broker.close());

/** The same chances in every run: a linear congruential generator. */
class Chances {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** True once in `times`, on average. */
  onceIn(times: number): boolean {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return (this.#state >>> 8) % times === 0;
  }
}

function persistent(version: 4 | 5, clientId: string): ClientOptions {
  const properties = version === 5 ? { sessionExpiryInterval: 60, receiveMaximum: 4 } : {};
  return { version, clientId, cleanStart: false, properties };
}

/** A client whose connection breaks now and then, and which then resumes its session. */
class FlakyClient {
  readonly #options: ClientOptions;
  readonly #chances: Chances;
  client: MqttTestClient;
  cuts = 0;

  private constructor(options: ClientOptions, chances: Chances, client: MqttTestClient) {
    this.#options = options;
    this.#chances = chances;
    this.client = client;
  }

  static async connect(options: ClientOptions, chances: Chances): Promise<FlakyClient> {
    return new FlakyClient(options, chances, await broker.connect(options));
  }

  /** Loses the connection, sometimes. */
  async mayBreak(): Promise<boolean> {
    if (!this.#chances.onceIn(6)) return false;
    this.cuts += 1;
    await this.client.cut();
    this.client = await broker.connect(this.#options);
    return true;
  }
}

/** Publishes at QoS 2 as the standard asks: PUBLISH with DUP until PUBREC, PUBREL until PUBCOMP. */
async function publishSurely(
  publisher: FlakyClient,
  topic: string,
  payloads: readonly string[],
): Promise<void> {
  for (const [index, payload] of payloads.entries()) {
    const packetId = index + 1;
    let isReceived = false;
    for (let dup = false; !isReceived; dup = true) {
      publisher.client.send(publisher.client.publishPacket(topic, payload, { qos: 2, packetId, dup }));
      if (await publisher.mayBreak()) continue;
      await publisher.client.receive("pubrec");
      isReceived = true;
    }
    await publisher.mayBreak();
    for (;;) {
      publisher.client.send({ type: "pubrel", packetId, reasonCode: 0 });
      if (await publisher.mayBreak()) continue;
      await publisher.client.receive("pubcomp");
      break;
    }
  }
}

/** Receives as the standard asks: a packet id that was not released is the same message. */
async function receiveSurely(subscriber: FlakyClient, count: number): Promise<string[]> {
  const texts: string[] = [];
  const unreleased = new Set<number>();
  while (texts.length < count || unreleased.size > 0) {
    const packet = await subscriber.client.receive();
    if (await subscriber.mayBreak()) continue;
    if (packet.type === "publish") {
      if (!unreleased.has(packet.packetId)) texts.push(textOf(packet));
      unreleased.add(packet.packetId);
      subscriber.client.send({ type: "pubrec", packetId: packet.packetId, reasonCode: 0 });
    } else if (packet.type === "pubrel") {
      unreleased.delete(packet.packetId);
      subscriber.client.send({ type: "pubcomp", packetId: packet.packetId, reasonCode: 0 });
    }
    await subscriber.mayBreak();
  }
  return texts;
}

const seeds = [1, 2, 3, 4, 5];

describe.each([5, 4] as const)(
  "QoS 2 at MQTT level %i, both connections breaking again and again",
  (version) => {
    test.each(seeds)(
      "arrives exactly once and in order, with chances %i [MQTT-4.3.3-10] [MQTT-4.4.0-1]",
      async (seed) => {
        const topic = `once/${version}/${seed}`;
        const sent = Array.from({ length: 40 }, (_, index) => String(index));
        const subscriber = await FlakyClient.connect(persistent(version, `${topic} in`), new Chances(seed));
        await subscriber.client.subscribe({ topicFilter: topic, qos: 2 });
        const publisher = await FlakyClient.connect(
          persistent(version, `${topic} out`),
          new Chances(seed + 100),
        );
        const [received] = await Promise.all([
          receiveSurely(subscriber, sent.length),
          publishSurely(publisher, topic, sent),
        ]);
        expect(received).toEqual(sent);
        await subscriber.client.expectSilence();
        expect(subscriber.cuts + publisher.cuts).toBeGreaterThan(10);
      },
    );
  },
);

describe.each([5, 4] as const)(
  "QoS 1 at MQTT level %i, the subscriber's connection breaking again and again",
  (version) => {
    test.each(seeds)(
      "arrives at least once, and first in order, with chances %i [MQTT-4.3.2-3] [MQTT-4.4.0-1]",
      async (seed) => {
        const topic = `least/${version}/${seed}`;
        const sent = Array.from({ length: 60 }, (_, index) => String(index));
        const subscriber = await FlakyClient.connect(persistent(version, `${topic} in`), new Chances(seed));
        await subscriber.client.subscribe({ topicFilter: topic, qos: 1 });
        const publisher = await broker.connect();
        for (const [index, payload] of sent.entries())
          publisher.send(publisher.publishPacket(topic, payload, { qos: 1, packetId: index + 1 }));
        const seen = new Set<string>();
        while (seen.size < sent.length) {
          const packet = await subscriber.client.receive("publish");
          expect(packet.dup || !seen.has(textOf(packet))).toBe(true);
          seen.add(textOf(packet));
          if (await subscriber.mayBreak()) continue;
          subscriber.client.send({ type: "puback", packetId: packet.packetId, reasonCode: 0 });
          await subscriber.mayBreak();
        }
        expect([...seen]).toEqual(sent);
        expect(subscriber.cuts).toBeGreaterThan(5);
      },
    );
  },
);
