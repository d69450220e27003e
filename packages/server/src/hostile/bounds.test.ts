import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ReasonCode, SubscriptionRequest } from "@weir/protocol";
import type { MqttTestClient } from "@weir/testkit";
import { Bystanders } from "../../testing/hostile/bystanders.ts";
import {
  type BrokerMeasure,
  type BrokerProcess,
  startBrokerProcess,
} from "../../testing/hostile/broker-process.ts";

const deepTopic = "a/".repeat(29_999) + "a".repeat(65_535 - 2 * 29_999);
const deepFilter = Array.from({ length: 30_000 }, () => "+").join("/");

/** What all tests together may leave in the broker: its table of topics, mostly. */
const MAX_GROWTH_MEGABYTES = 48;

describe("a client that asks for too much", () => {
  let broker: BrokerProcess;
  let bystanders: Bystanders;
  let before: BrokerMeasure;

  beforeAll(async () => {
    broker = await startBrokerProcess();
    bystanders = await Bystanders.start(broker);
    before = await broker.measure();
  });
  afterAll(async () => {
    await broker.stop();
  });

  /** How often a bound was met while `attempt` ran. */
  async function timesReached(limit: string, attempt: () => Promise<void>): Promise<number> {
    const name = `weir_limit_reached_total{limit="${limit}"}`;
    const earlier = await broker.metric(name);
    await attempt();
    return (await broker.metric(name)) - earlier;
  }

  async function endOf(client: MqttTestClient): Promise<ReasonCode | undefined> {
    return (await client.closed).disconnect?.reasonCode;
  }

  describe("a topic of 65,535 bytes with 30,000 levels", () => {
    it("is refused to a publisher at QoS 1 with 0x90, and the connection goes on", async () => {
      const client = await broker.connect();
      const reached = await timesReached("limits.maxTopicLevels", async () => {
        expect(await client.publish(deepTopic, "", { qos: 1 })).toMatchObject({ reasonCode: 0x90 });
        expect(await client.publish(deepTopic, "", { qos: 2 })).toMatchObject({ reasonCode: 0x90 });
      });
      expect(reached).toBe(2);
      await client.expectSilence();
    });

    it("ends the connection with 0x90 at QoS 0, where nothing else could tell", async () => {
      const client = await broker.connect();
      await client.publish(deepTopic, "");
      expect(await endOf(client)).toBe(0x90);
    });

    it("is refused to a subscriber with 0x8F, as is a filter of 30,000 wildcards", async () => {
      const client = await broker.connect();
      const reached = await timesReached("limits.maxTopicLevels", async () => {
        const { reasonCodes } = await client.subscribe([
          deepTopic,
          deepFilter,
          `$share/g/${deepFilter}`,
          "a",
        ]);
        expect(reasonCodes).toEqual([0x8f, 0x8f, 0x8f, 0]);
      });
      expect(reached).toBe(3);
    });

    it("is refused in a will, and as a will's response topic, with 0x90 in CONNACK", async () => {
      const will = { topic: "w", payload: Buffer.alloc(0), qos: 0, retain: false, properties: {} } as const;
      await expect(broker.connect({ will: { ...will, topic: deepTopic } })).rejects.toThrow("0x90");
      const properties = { responseTopic: deepTopic };
      await expect(broker.connect({ will: { ...will, properties } })).rejects.toThrow("0x90");
    });

    it("is refused as a response topic with 0x87", async () => {
      const client = await broker.connect();
      const properties = { responseTopic: deepTopic };
      expect(await client.publish("a", "", { qos: 1, properties })).toMatchObject({ reasonCode: 0x87 });
    });

    it("is not kept for a topic alias", async () => {
      const client = await broker.connect();
      await client.publish(deepTopic, "", { qos: 1, properties: { topicAlias: 1 } });
      await client.publish("", "", { properties: { topicAlias: 1 } });
      expect(await endOf(client)).toBe(0x82);
    });
  });

  it("100,000 subscriptions: 10,000 are granted, the rest is told 0x97, and the connection goes on", async () => {
    const client = await broker.connect({ clientId: "subscribes" });
    const codes: number[] = [];
    const reached = await timesReached("limits.maxSubscriptions", async () => {
      for (let batch = 0; batch < 100; batch++) {
        const filters = Array.from({ length: 1_000 }, (_, at) => `many/${batch}/${at}`);
        codes.push(...(await client.subscribe(filters)).reasonCodes);
      }
    });
    expect(codes.filter((code) => code === 0)).toHaveLength(10_000);
    expect(codes.filter((code) => code === 0x97)).toHaveLength(90_000);
    expect(reached).toBe(90_000);
    expect((await client.subscribe("many/0/0")).reasonCodes).toEqual([0]);
    await client.unsubscribe("many/0/0");
    expect((await client.subscribe("another")).reasonCodes).toEqual([0]);
    await client.cut();
  });

  it("subscriptions of 128 levels: as many as 100,000 levels make", async () => {
    const client = await broker.connect({ clientId: "subscribes-deep" });
    const deep = Array.from({ length: 127 }, (_, at) => (at % 3 === 0 ? "+" : "a")).join("/");
    const codes: number[] = [];
    const reached = await timesReached("limits.maxSubscriptionLevels", async () => {
      for (let batch = 0; batch < 10; batch++) {
        const filters = Array.from({ length: 100 }, (_, at) => `${deep}/${batch * 100 + at}`);
        codes.push(...(await client.subscribe(filters)).reasonCodes);
      }
    });
    expect(codes.filter((code) => code === 0)).toHaveLength(Math.floor(100_000 / 128));
    expect(reached).toBe(1_000 - Math.floor(100_000 / 128));
    await client.cut();
  });

  it("the same filter 200,000 times in a packet: 0x97, before any of them counts", async () => {
    const client = await broker.connect();
    const request = { qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const subscriptions = Array.from({ length: 200_000 }, (): SubscriptionRequest => ({
      topicFilter: "a",
      ...request,
    }));
    client.send({ type: "subscribe", packetId: 1, subscriptions });
    expect(await endOf(client)).toBe(0x97);
  });

  it("retained messages again and again, without reading: owed once for each subscription", async () => {
    const publisher = await broker.connect();
    for (let at = 0; at < 200; at++)
      await publisher.publish(`kept/${at}`, Buffer.alloc(10_000), { retain: true, qos: 1 });
    const client = await broker.connect({ clientId: "asks-again" });
    client.freeze();
    const { liveMegabytes } = await broker.measure();
    const request = {
      qos: 0,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
      topicFilter: "kept/#",
    } as const;
    const subscriptions = Array.from({ length: 5_000 }, (): SubscriptionRequest => request);
    for (let round = 1; round <= 40; round++)
      client.send({ type: "subscribe", packetId: round, subscriptions });
    const growth = async (): Promise<number> => (await broker.measure()).liveMegabytes - liveMegabytes;
    await expect.poll(growth).toBeLessThan(12);
    await client.cut();
    for (let at = 0; at < 200; at++) await publisher.publish(`kept/${at}`, "", { retain: true });
  });

  it.each([
    ["a PUBLISH", 1_001, 0x97],
    ["a PUBLISH, as many as fit into a MiB,", 200_000, 0x97],
    ["a PUBLISH, as many as are allowed,", 1_000, undefined],
  ])("empty user properties in %s (%i): %o", async (_packet, count, reasonCode) => {
    const client = await broker.connect();
    const userProperties = Array.from({ length: count }, () => ["", ""] as const);
    client.send(client.publishPacket("a", "", { properties: { userProperties } }));
    if (reasonCode === undefined) await client.expectSilence();
    else expect(await endOf(client)).toBe(reasonCode);
  });

  it("1,001 user properties of CONNECT: 0x97 in CONNACK", async () => {
    const userProperties = Array.from({ length: 1_001 }, () => ["", ""] as const);
    const reached = await timesReached("limits.maxUserProperties", async () => {
      await expect(broker.connect({ properties: { userProperties } })).rejects.toThrow("0x97");
    });
    expect(reached).toBe(1);
  });

  it("a packet of more than a MiB: 0x95 at its header, before it is there", async () => {
    const client = await broker.connect();
    const reached = await timesReached("mqtt.maxPacketBytes", async () => {
      client.send(Buffer.from("30ffffff7f", "hex"));
      expect(await endOf(client)).toBe(0x95);
    });
    expect(reached).toBe(1);
  });

  it("1,025 messages of QoS 2 at once, where 1,024 are allowed: 0x93", async () => {
    const client = await broker.connect();
    const reached = await timesReached("mqtt.receiveMaximum", async () => {
      for (let packetId = 1; packetId <= 1_025; packetId++) {
        client.send(client.publishPacket("a", "", { qos: 2, packetId }));
      }
      expect(await endOf(client)).toBe(0x93);
    });
    expect(reached).toBe(1);
  });

  it("topic alias 65, where 64 are allowed: 0x94", async () => {
    const client = await broker.connect();
    const reached = await timesReached("mqtt.topicAliasMaximum", async () => {
      await client.publish("a", "", { properties: { topicAlias: 65 } });
      expect(await endOf(client)).toBe(0x94);
    });
    expect(reached).toBe(1);
  });

  it("costs the others nothing: they exchange messages, and memory is as it was", async () => {
    expect((await bystanders.stop()).exchanged).toBeGreaterThan(50);
    const now = await broker.measure();
    expect(now.errors).toEqual([]);
    expect(now.liveMegabytes - before.liveMegabytes).toBeLessThan(MAX_GROWTH_MEGABYTES);
    expect(now.openFiles - before.openFiles).toBeLessThan(40);
  });
});

describe("the number of connections", () => {
  it("is bounded: one more is cut at once, and there is room again when one has left", async () => {
    const broker = await startBrokerProcess({ limits: { maxConnections: 3 } });
    const clients: MqttTestClient[] = [];
    for (let at = 0; at < 3; at++) clients.push(await broker.connect({ clientId: `c${at}` }));
    await expect(broker.connect({ clientId: "one-more" })).rejects.toThrow("the connection has ended");
    await expect(broker.connect({ clientId: "one-more", over: "ws" })).rejects.toThrow("503");
    expect(await broker.metric('weir_limit_reached_total{limit="limits.maxConnections"}')).toBe(2);
    await clients[0]?.disconnect();
    const isLetIn = (): Promise<boolean> =>
      broker.connect({ clientId: "one-more" }).then(
        () => true,
        () => false,
      );
    await expect.poll(isLetIn).toBe(true);
    await broker.stop();
  });
});
