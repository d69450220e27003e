import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrokerPair, startBrokerPair } from "../../testing/real-clients/broker-pair.ts";
import { MqttJsLibrary } from "../../testing/real-clients/mqtt-js-library.ts";
import { testClientLibrary } from "./real-client-contract.ts";

describe("MQTT.js", () => {
  testClientLibrary({
    open: () => new MqttJsLibrary(),
    combinations: [
      ["tcp", 4],
      ["tcp", 5],
      ["tls", 4],
      ["tls", 5],
      ["ws", 4],
      ["ws", 5],
      ["wss", 4],
      ["wss", 5],
    ],
  });
});

describe("MQTT.js with topic aliases", () => {
  let brokers: BrokerPair;
  let password: string;
  beforeAll(async () => {
    brokers = await startBrokerPair();
    const acl = [{ actions: ["publish", "subscribe"], topic: "t/#" }];
    password = await brokers.brokerFor("tcp").token({ acl });
  });
  afterAll(() => brokers.close());

  /** The aliases of the PUBLISHes that a client sends or receives; undefined: without one. */
  function watchedAliases(client: MqttClient, event: "packetsend" | "packetreceive"): (number | undefined)[] {
    const aliases: (number | undefined)[] = [];
    client.on(event, (packet) => {
      if (packet.cmd === "publish") aliases.push(packet.properties?.topicAlias);
    });
    return aliases;
  }

  test("of its own, every message still arrives under its topic", async () => {
    const library = new MqttJsLibrary({ autoAssignTopicAlias: true });
    const address = brokers.addressFor("tcp");
    const subscriber = await library.connect(address, { version: 5, clientId: "reader", password });
    await subscriber.subscribe("t/#", { qos: 1 });
    const publisher = await library.connect(address, { version: 5, clientId: "aliased", password });
    const aliases = watchedAliases(publisher.client, "packetsend");
    const topics = ["t/a", "t/b", "t/a", "t/a", "t/b"];
    for (const topic of topics) await publisher.publish(topic, "", { qos: 1 });
    expect((await subscriber.inbox.take(5)).map(({ topic }) => topic)).toEqual(topics);
    expect(aliases).toEqual([1, 2, 1, 1, 2]);
    await library.close();
  });

  test("of the broker, which uses as many as MQTT.js allows, every message still has its topic", async () => {
    const library = new MqttJsLibrary({ properties: { topicAliasMaximum: 2 } });
    const address = brokers.addressFor("tcp");
    const subscriber = await library.connect(address, { version: 5, clientId: "reader", password });
    const aliases = watchedAliases(subscriber.client, "packetreceive");
    await subscriber.subscribe("t/#", { qos: 1 });
    const publisher = await new MqttJsLibrary().connect(address, { version: 5, clientId: "plain", password });
    const topics = ["t/a", "t/b", "t/c", "t/a", "t/b", "t/c"];
    for (const topic of topics) await publisher.publish(topic, "", { qos: 1 });
    expect((await subscriber.inbox.take(6)).map(({ topic }) => topic)).toEqual(topics);
    expect(aliases.some((alias) => alias !== undefined)).toBe(true);
    await publisher.disconnect();
    await library.close();
  });
});
