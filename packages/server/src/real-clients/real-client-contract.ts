import type { Qos } from "@weir/protocol";
import { type BrokerFixture, FakeClock, type MqttTestClient } from "@weir/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type BrokerPair, startBrokerPair } from "../../testing/real-clients/broker-pair.ts";
import type {
  Address,
  RealClient,
  RealClientLibrary,
  RealClientOptions,
  RealMessage,
  Transport,
} from "../../testing/real-clients/real-client.ts";

interface LibraryUnderTest {
  readonly open: () => RealClientLibrary;
  readonly combinations: readonly (readonly [over: Transport, version: 3 | 4 | 5])[];
  /** Transports over which the library itself cannot send a large payload; it still has to receive one. */
  readonly sendsNothingLargeOver?: readonly Transport[];
  /** Why the library itself may publish a QoS 2 message twice when its connection is lost; it does not if absent. */
  readonly repeatsQos2?: string;
}

const QOS: readonly Qos[] = [0, 1, 2];
const LARGE_BYTES = 10_000_000;
const VERSION_NAMES = { 3: "MQTT 3.1", 4: "MQTT 3.1.1", 5: "MQTT 5.0" } as const;
const REFUSED = { 3: 4, 4: 4, 5: 0x86 } as const;

/**
 * What every client library is put through, over each transport and in each version that it speaks.
 */
export function testClientLibrary({
  open,
  combinations,
  sendsNothingLargeOver = [],
  repeatsQos2,
}: LibraryUnderTest): void {
  let brokers: BrokerPair;
  let library: RealClientLibrary;

  beforeAll(async () => {
    brokers = await startBrokerPair();
    library = open();
  });
  afterAll(async () => {
    await library.close();
    await brokers.close();
  });

  describe.each(combinations)("over %s in version %i", (over, version) => {
    const scene = new Scene(over, version, () => ({ brokers, library }));
    afterEach(() => scene.close());

    describe(VERSION_NAMES[version], () => {
      testEveryVersion(scene, version);
      testCutPublisher(scene, repeatsQos2);
      // 10 MB take their time: each transport carries them at each QoS once
      testLargePayloads(scene, version === 5 ? QOS : [1], !sendsNothingLargeOver.includes(over));
      if (version === 5) testVersion5(scene);
    });
  });

  test("a message that expired while its receiver was away does not come, another says what time is left", async () => {
    const clock = new FakeClock({ soon: "immediate" });
    const slow = await startBrokerPair(clock);
    const scene = new Scene("tcp", 5, () => ({ brokers: slow, library }));
    const publisher = await scene.client("publisher");
    const away = await scene.client("away", { cleanStart: false });
    await away.subscribe("t/expiring", { qos: 1 });
    await away.disconnect();
    const expiring = (seconds: number): object => ({
      qos: 1,
      properties: { messageExpiryInterval: seconds },
    });
    await publisher.publish("t/expiring", "short", expiring(10));
    await publisher.publish("t/expiring", "long", expiring(100));
    clock.advance(30_000);
    const back = await scene.client("away", { cleanStart: false });
    const message = await back.inbox.next();
    expect([textOf(message), message.properties.messageExpiryInterval]).toEqual(["long", 70]);
    await scene.close();
    await slow.close();
  });
}

function testCutPublisher(scene: Scene, repeatsQos2: string | undefined): void {
  test("a publisher that is cut off again and again publishes every QoS 2 message once", async ({ skip }) => {
    if (repeatsQos2 !== undefined) skip(repeatsQos2);
    const publisher = await scene.client("publisher", { cleanStart: false });
    const subscriber = await scene.client("subscriber");
    await subscriber.subscribe("t/stream", { qos: 2 });
    const published = Promise.all(
      numbers(100).map((number) => publisher.publish("t/stream", `${number}`, { qos: 2 })),
    );
    for (const count of [1, 30, 60]) {
      await subscriber.inbox.has(count);
      await publisher.drop();
    }
    await published;
    const texts = (await subscriber.inbox.take(100)).map(textOf);
    expect(texts.toSorted(byNumber)).toEqual(numbers(100).map(String));
  });
}

function testEveryVersion(scene: Scene, version: 3 | 4 | 5): void {
  test("a token as the password is let in, a wrong one refused", async () => {
    const client = await scene.client("right");
    expect([client.reasonCode, client.sessionPresent]).toEqual([0, false]);
    const wrong = await scene.client("wrong", { password: `${await scene.key()}x` });
    expect(wrong.reasonCode).toBe(REFUSED[version]);
  });

  test("what is published at each QoS arrives at the lower of it and the granted one", async () => {
    const publisher = await scene.client("publisher");
    const subscribers = await Promise.all(QOS.map((qos) => scene.client(`subscriber-${qos}`)));
    for (const [granted, subscriber] of subscribers.entries())
      expect((await subscriber.subscribe("t/qos/#", { qos: granted as Qos })).code).toBe(granted);
    for (const qos of QOS) await publisher.publish(`t/qos/${qos}`, `at ${qos}`, { qos });
    for (const [granted, { inbox }] of subscribers.entries())
      expect((await inbox.take(3)).map((message) => [message.topic, textOf(message), message.qos])).toEqual(
        QOS.map((qos) => [`t/qos/${qos}`, `at ${qos}`, Math.min(qos, granted)]),
      );
  });

  test("offline and back: all that came meanwhile arrives, once and in each QoS's order", async () => {
    const publisher = await scene.client("publisher");
    const away = await scene.client("away", { cleanStart: false });
    await away.subscribe("t/while-away", { qos: 2 });
    await away.disconnect();
    await Promise.all(
      numbers(60).map((number) =>
        publisher.publish("t/while-away", `${number}`, { qos: number % 2 ? 1 : 2 }),
      ),
    );
    const back = await scene.client("away", { cleanStart: false });
    // The CONNACK of MQTT 3.1 has no such flag
    expect(back.sessionPresent).toBe(version > 3);
    await publisher.publish("t/while-away", "60", { qos: 2 });
    const messages = await back.inbox.take(61);
    // A library hands a QoS 2 message over when it is released: those of QoS 1 overtake it [MQTT-4.6.0-5]
    for (const qos of [1, 2])
      expect(messages.filter((message) => message.qos === qos).map(textOf)).toEqual(
        numbers(61)
          .filter((number) => number % 2 === qos % 2)
          .map(String),
      );
  });

  test("a subscriber that is cut off again and again receives every QoS 2 message once, in order", async () => {
    const publisher = await scene.client("publisher");
    const subscriber = await scene.client("subscriber", { cleanStart: false });
    await subscriber.subscribe("t/stream", { qos: 2 });
    const published = Promise.all(
      numbers(200).map((number) => publisher.publish("t/stream", `${number}`, { qos: 2 })),
    );
    for (const count of [1, 50, 120]) {
      await subscriber.inbox.has(count);
      await subscriber.drop();
    }
    await published;
    expect((await subscriber.inbox.take(200)).map(textOf)).toEqual(numbers(200).map(String));
  });

  test("a lost connection publishes the will, DISCONNECT does not", async () => {
    const witness = await scene.client("witness");
    await witness.subscribe("t/will/#", { qos: 2 });
    const will = (topic: string): NonNullable<RealClientOptions["will"]> => ({
      topic,
      payload: "gone",
      qos: 1,
      retain: true,
    });
    const leaver = await scene.client("leaver", { will: will("t/will/leaver") });
    await leaver.disconnect();
    const lost = await scene.client("lost", { will: will("t/will/lost") });
    await lost.cut();
    expect(await witness.inbox.next()).toMatchObject({ topic: "t/will/lost", qos: 1, retain: false });
    const later = await scene.client("later");
    await later.subscribe("t/will/#");
    expect(await later.inbox.next()).toMatchObject({ topic: "t/will/lost", retain: true });
    await later.publish("t/will/lost", "", { qos: 1, retain: true });
  });

  test("a retained message meets those who come later, until an empty one removes it", async () => {
    const publisher = await scene.client("publisher");
    await publisher.publish("t/retained", "first", { qos: 1, retain: true });
    await publisher.publish("t/retained", "kept", { qos: 1, retain: true });
    const later = await scene.client("later");
    await later.subscribe("t/+", { qos: 1 });
    expect(summary(await later.inbox.next())).toEqual(["t/retained", "kept", 1, true]);
    await publisher.publish("t/retained", "", { qos: 1, retain: true });
    expect(summary(await later.inbox.next())).toEqual(["t/retained", "", 1, false]);
    const last = await scene.client("last");
    await last.subscribe("t/+", { qos: 1 });
    await publisher.publish("t/other", "live", { qos: 1 });
    expect(summary(await last.inbox.next())).toEqual(["t/other", "live", 1, false]);
  });

  test("the members of a shared subscription divide the messages among them", async () => {
    const publisher = await scene.client("publisher");
    const members = await Promise.all([scene.client("one"), scene.client("other")]);
    for (const member of members) await member.subscribe("$share/workers/t/jobs", { qos: 1 });
    const whole = await scene.client("whole");
    await whole.subscribe("t/jobs", { qos: 1 });
    for (const number of numbers(20)) await publisher.publish("t/jobs", `${number}`, { qos: 1 });
    await whole.inbox.take(20);
    await expect.poll(() => members.flatMap(({ inbox }) => inbox.all).length).toBe(20);
    const texts = members.flatMap(({ inbox }) => inbox.all.map(textOf));
    expect(texts.toSorted(byNumber)).toEqual(numbers(20).map(String));
    for (const { inbox } of members) expect(inbox.all.length).toBeGreaterThan(0);
  });

  test("what the token may not read does not come, whatever the filter says", async () => {
    const publisher = await scene.client("publisher");
    const reader = await scene.client("reader", { password: await scene.key("t/mine/#") });
    await reader.subscribe("#", { qos: 1 });
    await publisher.publish("t/others/1", "secret", { qos: 1 });
    await publisher.publish("t/mine/1", "open", { qos: 1 });
    expect(summary(await reader.inbox.next())).toEqual(["t/mine/1", "open", 1, false]);
    expect((await reader.subscribe("t/others/#", { qos: 1 })).code).toBe({ 3: 1, 4: 0x80, 5: 0x87 }[version]);
  });
}

function testLargePayloads(scene: Scene, qosLevels: readonly Qos[], isSentByLibrary: boolean): void {
  const title = isSentByLibrary ? "a payload of 10 MB" : "a payload of 10 MB that another client sends";
  test.each(qosLevels)(`${title} arrives whole at QoS %i`, async (qos) => {
    const publisher = isSentByLibrary ? await scene.client("publisher") : await scene.wireClient();
    const subscriber = await scene.client("subscriber");
    await subscriber.subscribe("t/large", { qos });
    const payload = largePayload();
    await publisher.publish("t/large", payload, { qos });
    const message = await subscriber.inbox.next();
    expect([message.payload.length, message.payload.equals(payload)]).toEqual([LARGE_BYTES, true]);
  });
}

function testVersion5(scene: Scene): void {
  test("user properties and content type arrive as they were sent", async () => {
    const [publisher, subscriber] = [await scene.client("publisher"), await scene.client("subscriber")];
    await subscriber.subscribe("t/properties", { qos: 1 });
    const properties = {
      userProperties: [
        ["unit", "°C"],
        ["unit", "K"],
        ["empty", ""],
      ],
      contentType: "application/json",
    } as const;
    await publisher.publish("t/properties", "{}", { qos: 1, properties });
    expect((await subscriber.inbox.next()).properties).toEqual(properties);
  });

  test("a request's response topic and correlation data bring the answer back", async () => {
    const [caller, service] = [await scene.client("caller"), await scene.client("service")];
    await service.subscribe("t/requests", { qos: 1 });
    await caller.subscribe("t/answers/caller", { qos: 1 });
    const correlationData = Buffer.from([0, 1, 0xfe, 0xff]);
    await caller.publish("t/requests", "2 + 2", {
      qos: 1,
      properties: { responseTopic: "t/answers/caller", correlationData },
    });
    const { properties } = await service.inbox.next();
    expect(properties.responseTopic).toBe("t/answers/caller");
    await service.publish(properties.responseTopic ?? "", "4", {
      qos: 1,
      properties: { correlationData: properties.correlationData ?? Buffer.of() },
    });
    const answer = await caller.inbox.next();
    expect([textOf(answer), answer.properties.correlationData]).toEqual(["4", correlationData]);
  });

  test("a message tells by which subscriptions it came", async () => {
    const client = await scene.client("client");
    await client.subscribe("t/identified/#", { qos: 1, identifier: 7 });
    await client.publish("t/identified/1", "", { qos: 1 });
    expect((await client.inbox.next()).properties.subscriptionIdentifiers).toEqual([7]);
  });

  test("with No Local a client does not hear itself", async () => {
    const [client, other] = [await scene.client("client"), await scene.client("other")];
    await client.subscribe("t/local", { qos: 1, noLocal: true });
    await client.publish("t/local", "own", { qos: 1 });
    await other.publish("t/local", "another's", { qos: 1 });
    expect(textOf(await client.inbox.next())).toBe("another's");
  });

  test("SUBACK tells to which filters a subscription was narrowed", async () => {
    const client = await scene.client("client", { password: await scene.key("t/mine/#", "t/+/open") });
    const { code, userProperties } = await client.subscribe("#", { qos: 1 });
    expect(code).toBe(1);
    expect(userProperties).toEqual([
      ["effective-filter", "t/mine/#"],
      ["effective-filter", "t/+/open"],
    ]);
  });
}

/** One combination's clients; those of a test are gone after it, their sessions too. */
class Scene {
  readonly #over: Transport;
  readonly #version: 3 | 4 | 5;
  readonly #stage: () => { brokers: BrokerPair; library: RealClientLibrary };
  #clients: RealClient[] = [];
  #count = 0;

  constructor(
    over: Transport,
    version: 3 | 4 | 5,
    stage: () => { brokers: BrokerPair; library: RealClientLibrary },
  ) {
    this.#over = over;
    this.#version = version;
    this.#stage = stage;
  }

  /** A client of the library, connected or refused. The token may do everything below `t`. */
  async client(clientId: string, options: Partial<RealClientOptions> = {}): Promise<RealClient> {
    const password = options.password ?? (await this.key());
    const client = await this.#stage().library.connect(this.#address, {
      version: this.#version,
      clientId: `${clientId}-${this.#count}`,
      ...options,
      password,
    });
    this.#clients.push(client);
    return client;
  }

  /** The testkit's own client. */
  async wireClient(): Promise<MqttTestClient> {
    const { ca } = this.#address;
    return this.#broker.connect({ over: this.#over, tls: { ca }, password: await this.key() });
  }

  /** Of a token that may publish and subscribe to these; all of one subject, so that they are one identity. */
  async key(...topics: readonly string[]): Promise<string> {
    const filters = topics.length > 0 ? topics : ["t/#"];
    const acl = filters.map((topic) => ({ actions: ["publish", "subscribe"], topic }));
    return this.#broker.token({ subject: "real-client", acl });
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.cut().catch(() => undefined)));
    await this.#broker.rest("DELETE", "/sessions?subject=real-client");
    this.#clients = [];
    this.#count++;
  }

  get #broker(): BrokerFixture {
    return this.#stage().brokers.brokerFor(this.#over);
  }

  get #address(): Address {
    return this.#stage().brokers.addressFor(this.#over);
  }
}

function textOf({ payload }: RealMessage): string {
  return payload.toString();
}

function summary(message: RealMessage): [topic: string, text: string, qos: Qos, retain: boolean] {
  return [message.topic, textOf(message), message.qos, message.retain];
}

/** 0, 1, 2, … */
function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}

function byNumber(one: string, other: string): number {
  return Number(one) - Number(other);
}

/** Bytes that do not repeat soon, so that a part in the wrong place is seen. */
function largePayload(): Buffer {
  const words = Uint32Array.from({ length: LARGE_BYTES / 4 }, (_, index) => Math.imul(index, 2_654_435_761));
  return Buffer.from(words.buffer);
}
