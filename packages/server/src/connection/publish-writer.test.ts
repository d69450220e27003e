import { encodePacket } from "@weir/protocol";
import type { ProtocolVersion, PublishPacket, PublishProperties } from "@weir/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHost, openConnection, turnEnd } from "../../testing/open-connection.ts";
import { atQos0, messageOf } from "../../testing/recording-core.ts";
import type { LinkSettings, OutgoingPublish } from "../core/ports/transport.ts";
import type { RecordingClient } from "../../testing/recording-core.ts";
import type { FakeStream } from "../../testing/fake-stream.ts";

interface Receiver {
  readonly stream: FakeStream;
  readonly client: RecordingClient;
}

function receiver(settings: Partial<LinkSettings>): Receiver {
  const { stream, client } = openConnection(createHost());
  client.link.configure({
    protocolVersion: 5,
    maxSilenceMs: 0,
    maxOutgoingPacketBytes: Infinity,
    outgoingTopicAliasMaximum: 0,
    ...settings,
  });
  return { stream, client };
}

function publishPacket(
  topic: string,
  payload: string | Uint8Array,
  overrides: Partial<PublishPacket> = {},
): PublishPacket {
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  return {
    type: "publish",
    topic,
    payload: bytes,
    qos: 0,
    retain: false,
    dup: false,
    packetId: 0,
    ...overrides,
  };
}

function encoded(version: ProtocolVersion, ...packets: readonly PublishPacket[]): Buffer {
  return Buffer.concat(packets.map((packet) => encodePacket(packet, version)));
}

describe("publish()", () => {
  const howOf = fc
    .record({
      qos: fc.constantFrom(0, 1, 2),
      packetId: fc.integer({ min: 1, max: 65_535 }),
      dup: fc.boolean(),
      retain: fc.boolean(),
      subscriptionIdentifiers: fc.option(
        fc.array(fc.integer({ min: 1, max: 268_435_455 }), { minLength: 1 }),
        {
          nil: undefined,
        },
      ),
      messageExpiryInterval: fc.option(fc.nat(100_000), { nil: undefined }),
    })
    .map((how): OutgoingPublish =>
      how.qos === 0 ? { ...how, qos: 0, packetId: 0, dup: false } : (how as OutgoingPublish),
    );

  it("writes for many receivers, each in its way, what the codec would write for each alone", async () => {
    const receivers = fc.array(fc.record({ version: fc.constantFrom(3, 4, 5), how: howOf }), {
      minLength: 1,
      maxLength: 8,
    });
    const payloadBytes = fc.oneof(
      fc.nat(40),
      fc.integer({ min: 2_030, max: 2_070 }),
      fc.integer({ min: 16_370, max: 16_390 }),
    );
    const properties = fc.constantFrom(undefined, {
      contentType: "x",
      userProperties: [["a", "b"]],
    } as const);
    await fc.assert(
      fc.asyncProperty(receivers, payloadBytes, properties, async (all, size, messageProperties) => {
        const message = messageOf("data/ü/1", Buffer.alloc(size, 7), messageProperties);
        for (const { version, how } of all) {
          const { stream, client } = receiver({ protocolVersion: version });
          expect(client.link.publish(message, how)).toBe(true);
          await turnEnd();
          const expected = publishPacket(message.topic.name, message.payload, {
            qos: how.qos,
            packetId: how.packetId,
            dup: how.dup,
            retain: how.retain,
            properties: propertiesOf(messageProperties, how),
          });
          expect(stream.written.equals(encodePacket(expected, version))).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("encodes a message for the second receiver and copies it for all others", async () => {
    const message = messageOf("a", "1");
    const receivers = Array.from({ length: 4 }, () => receiver({}));
    const seen = receivers.map(({ client }) => {
      client.link.publish(message, atQos0);
      return message.frames;
    });
    expect(seen[1]).not.toBe(seen[0]);
    expect(seen[3]).toBe(seen[1]);
    await turnEnd();
    for (const { stream } of receivers) expect(stream.written).toEqual(encoded(5, publishPacket("a", "1")));
  });

  it("gives the first topics an alias, and then says the alias only [MQTT-3.1.2-26], [MQTT-3.3.2-12]", async () => {
    const { stream, client } = receiver({ outgoingTopicAliasMaximum: 2 });
    for (const topic of ["a", "b", "c", "a", "c", "b"]) client.link.publish(messageOf(topic, "1"), atQos0);
    await turnEnd();
    const aliased = (topic: string, topicAlias: number): PublishPacket =>
      publishPacket(topic, "1", { properties: { topicAlias } });
    expect(stream.written).toEqual(
      encoded(
        5,
        aliased("a", 1),
        aliased("b", 2),
        publishPacket("c", "1"),
        aliased("", 1),
        publishPacket("c", "1"),
        aliased("", 2),
      ),
    );
  });

  it("says no to a message that is larger than the client takes, and its alias stays free [MQTT-3.1.2-24]", async () => {
    const { stream, client } = receiver({ maxOutgoingPacketBytes: 12, outgoingTopicAliasMaximum: 1 });
    expect(client.link.publish(messageOf("large", "123456789"), atQos0)).toBe(false);
    expect(client.link.publish(messageOf("b", "1"), atQos0)).toBe(true);
    await turnEnd();
    expect(stream.written).toEqual(encoded(5, publishPacket("b", "1", { properties: { topicAlias: 1 } })));
  });

  it("says no to the same size when others have shared the message", () => {
    const message = messageOf("a", Buffer.alloc(100));
    for (const limit of [Infinity, Infinity, 104, 105]) {
      const isSent = receiver({ maxOutgoingPacketBytes: limit }).client.link.publish(message, atQos0);
      expect(isSent).toBe(limit >= 106);
    }
    expect(receiver({ maxOutgoingPacketBytes: 106 }).client.link.publish(message, atQos0)).toBe(true);
  });

  it("says no to what no packet can say", () => {
    expect(receiver({}).client.link.publish(messageOf("a".repeat(65_536), "1"), atQos0)).toBe(false);
  });

  it("writes a large payload from where it is", async () => {
    const payload = Buffer.alloc(100_000, 1);
    const { stream, client } = receiver({});
    stream.isFluent = false;
    client.link.publish(messageOf("a", payload), atQos0);
    await turnEnd();
    payload.fill(2);
    expect(() => stream.take()).toThrow("lent bytes");
  });
});

describe("send()", () => {
  const explained = {
    type: "suback",
    packetId: 1,
    reasonCodes: [0],
    properties: { reasonString: "r".repeat(10), userProperties: [["name", "value"]] },
  } as const;

  it.each([
    [100, explained.properties],
    [32, { userProperties: explained.properties.userProperties }],
    [12, {}],
  ])(
    "leaves out the reason string, then the user properties, to fit into %i bytes [MQTT-3.9.2-2]",
    async (limit, left) => {
      const { stream, client } = receiver({ maxOutgoingPacketBytes: limit });
      client.link.send(explained);
      await turnEnd();
      expect(stream.written).toEqual(Buffer.from(encodePacket({ ...explained, properties: left }, 5)));
      expect(stream.written.length).toBeLessThanOrEqual(limit);
    },
  );

  it("sends nothing where even the rest is too large [MQTT-3.1.2-24]", async () => {
    const { stream, client } = receiver({ maxOutgoingPacketBytes: 5 });
    client.link.send(explained);
    client.link.ack("puback", 1, 0x87);
    await turnEnd();
    expect(stream.written).toEqual(Buffer.from("4003000187", "hex"));
  });
});

function propertiesOf(shared: PublishProperties | undefined, how: OutgoingPublish): PublishProperties {
  return {
    ...shared,
    ...(how.subscriptionIdentifiers && { subscriptionIdentifiers: how.subscriptionIdentifiers }),
    ...(how.messageExpiryInterval !== undefined && { messageExpiryInterval: how.messageExpiryInterval }),
  };
}
