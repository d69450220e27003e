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

/** What a client hears of QoS 2: a packet id that was not released is the same message. */
class Inbox {
  readonly texts: string[] = [];
  readonly #unreleased = new Set<number>();

  get isSettled(): boolean {
    return this.#unreleased.size === 0;
  }

  /** Receives one packet and answers it, if the connection lasts. */
  async step(subscriber: FlakyClient): Promise<void> {
    const packet = await subscriber.client.receive();
    if (await subscriber.mayBreak()) return;
    if (packet.type === "publish") {
      if (!this.#unreleased.has(packet.packetId)) this.texts.push(textOf(packet));
      this.#unreleased.add(packet.packetId);
      subscriber.client.send({ type: "pubrec", packetId: packet.packetId, reasonCode: 0 });
    } else if (packet.type === "pubrel") {
      this.#unreleased.delete(packet.packetId);
      subscriber.client.send({ type: "pubcomp", packetId: packet.packetId, reasonCode: 0 });
    }
    await subscriber.mayBreak();
  }
}

async function receiveSurely(subscriber: FlakyClient, count: number): Promise<string[]> {
  const inbox = new Inbox();
  while (inbox.texts.length < count || !inbox.isSettled) await inbox.step(subscriber);
  return inbox.texts;
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

describe.each([5, 4] as const)(
  "a share group at MQTT level %i, its members' connections breaking again and again",
  (version) => {
    async function groupOf(topic: string, qos: 1 | 2, seed: number): Promise<FlakyClient[]> {
      const members = [];
      for (const name of ["a", "b", "c"]) {
        const chances = new Chances(seed * 31 + members.length);
        const member = await FlakyClient.connect(persistent(version, `${topic} ${name}`), chances);
        await member.client.subscribe({ topicFilter: `$share/g/${topic}`, qos });
        members.push(member);
      }
      return members;
    }

    /** Steps every member for itself until `isDone`, then cuts them all: who still waits has nothing to wait for. */
    async function run(
      members: readonly FlakyClient[],
      step: (member: FlakyClient, index: number) => Promise<void>,
      isDone: () => boolean,
    ): Promise<void> {
      const finish = async (): Promise<void> => {
        await Promise.all(members.map((member) => member.client.cut()));
      };
      await Promise.all(
        members.map(async (member, index) => {
          while (!isDone()) {
            try {
              await step(member, index);
            } catch (error) {
              if (!isDone()) throw error;
            }
          }
          await finish();
        }),
      );
    }

    async function publishAll(topic: string, qos: 1 | 2, payloads: readonly string[]): Promise<void> {
      const publisher = await broker.connect();
      for (const payload of payloads) await publisher.publish(topic, payload, { qos });
    }

    test.each(seeds)("takes every QoS 1 message at least once, with chances %i", async (seed) => {
      const topic = `shared/1/${version}/${seed}`;
      const sent = Array.from({ length: 100 }, (_, index) => String(index));
      const seen = new Set<string>();
      const members = await groupOf(topic, 1, seed);
      const step = async (member: FlakyClient): Promise<void> => {
        const packet = await member.client.receive("publish");
        if (await member.mayBreak()) return;
        seen.add(textOf(packet));
        member.client.send({ type: "puback", packetId: packet.packetId, reasonCode: 0 });
        await member.mayBreak();
      };
      await Promise.all([run(members, step, () => seen.size === sent.length), publishAll(topic, 1, sent)]);
      expect([...seen].toSorted()).toEqual(sent.toSorted());
    });

    test.each(seeds)(
      "takes every QoS 2 message exactly once, with chances %i [MQTT-4.8.2-4]",
      async (seed) => {
        const topic = `shared/2/${version}/${seed}`;
        const sent = Array.from({ length: 60 }, (_, index) => String(index));
        const members = await groupOf(topic, 2, seed);
        const inboxes = members.map(() => new Inbox());
        const texts = (): string[] => inboxes.flatMap((inbox) => inbox.texts);
        const isDone = (): boolean =>
          texts().length >= sent.length && inboxes.every((inbox) => inbox.isSettled);
        const step = async (member: FlakyClient, index: number): Promise<void> =>
          inboxes[index]?.step(member);
        await Promise.all([run(members, step, isDone), publishAll(topic, 2, sent)]);
        expect(texts().toSorted()).toEqual(sent.toSorted());
      },
    );
  },
);
