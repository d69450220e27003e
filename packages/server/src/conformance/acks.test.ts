import {
  type BrokerFixture,
  type ClientOptions,
  framesOf,
  type MqttTestClient,
  startBroker,
} from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const acl = [
  { actions: ["publish", "subscribe"], topic: "open/#" },
  { actions: ["publish"], topic: "bounded/#", maxQos: 0, retain: false },
];

let broker: BrokerFixture;
/** What is not `open` is closed to it, and `bounded` takes QoS 0 only. */
let narrow: ClientOptions;

beforeAll(async () => {
  broker = await startBroker();
  narrow = { password: await broker.token({ acl }) };
});
afterAll(() => broker.close());

/** The frames that came after CONNACK, in hexadecimal. */
function answersTo(client: MqttTestClient): string[] {
  return framesOf(client.chunks).slice(1);
}

/** Sends the frame, and gives how the connection ended. */
async function closedBy(frame: string, options: ClientOptions = {}): Promise<number | undefined> {
  const client = await broker.connect(options);
  client.send(frame, "c0 00");
  return (await client.closed).disconnect?.reasonCode;
}

describe("3.4 PUBACK and 3.5 PUBREC", () => {
  test("0x10 tells that nobody has subscribed, where the broker may say so, and to MQTT 5 only [MQTT-3.4.2-1] [MQTT-3.5.2-1]", async () => {
    const telling = await startBroker({ limits: { tellsNoMatchingSubscribers: true } });
    for (const options of [{}, { version: 4 }] as const) {
      const client = await telling.connect({ clientId: "client", ...options });
      await client.subscribe("heard");
      const code = async (topic: string, qos: 1 | 2): Promise<number | undefined> =>
        (await client.publish(topic, "", { qos }))?.reasonCode;
      const unheard = options.version === 4 ? 0 : 0x10;
      expect([await code("unheard", 1), await code("unheard", 2)]).toEqual([unheard, unheard]);
      expect([await code("heard", 1), await code("heard", 2)]).toEqual([0, 0]);
    }
    await telling.close();
  });

  test("success is the packet id and nothing more, 0x87 stands behind it without properties [MQTT-3.4.2-1] [MQTT-3.5.2-1]", async () => {
    const client = await broker.connect(narrow);
    await client.publish("open/a", "x", { qos: 1, packetId: 7 });
    client.send(client.publishPacket("open/a", "x", { qos: 2, packetId: 8 }));
    client.send(client.publishPacket("closed/a", "x", { qos: 1, packetId: 9 }));
    client.send(client.publishPacket("closed/a", "x", { qos: 2, packetId: 10 }));
    await client.receive("pubrec");
    await client.receive("puback");
    await client.receive("pubrec");
    expect(answersTo(client)).toEqual(["40020007", "50020008", "4003000987", "5003000a87"]);
  });

  test("a PUBACK of 3.1.1 has no reason code, also where the message was refused [MQTT-3.4.2-1]", async () => {
    const client = await broker.connect({ ...narrow, version: 4, username: "u" });
    client.send(client.publishPacket("closed/a", "x", { qos: 1, packetId: 9 }));
    client.send(client.publishPacket("closed/a", "x", { qos: 2, packetId: 10 }));
    await client.receive("puback");
    await client.receive("pubrec");
    expect(answersTo(client)).toEqual(["40020009", "5002000a"]);
  });

  test.each([
    [1, "puback"],
    [2, "pubrec"],
  ] as const)(
    "the refusal of QoS %i is explained where it fits, and without the words where it does not [MQTT-3.4.2-2] [MQTT-3.5.2-2]",
    async (qos, type) => {
      const roomy = await broker.connect(narrow);
      roomy.send(roomy.publishPacket("bounded/a", "x", { qos, packetId: 1 }));
      const explained = await roomy.receive(type);
      expect(explained).toMatchObject({ reasonCode: 0x87, properties: { reasonString: /QoS/ } });
      const bytes = framesOf(roomy.chunks).at(-1)?.length ?? 0;

      const fitting = await broker.connect({ ...narrow, properties: { maximumPacketSize: bytes / 2 } });
      fitting.send(fitting.publishPacket("bounded/a", "x", { qos, packetId: 1 }));
      expect(await fitting.receive(type)).toEqual(explained);

      const tight = await broker.connect({ ...narrow, properties: { maximumPacketSize: bytes / 2 - 1 } });
      tight.send(tight.publishPacket("bounded/a", "x", { qos, packetId: 1 }));
      expect(await tight.receive(type)).toMatchObject({ packetId: 1, reasonCode: 0x87 });
      expect(framesOf(tight.chunks).at(-1)).toBe(qos === 1 ? "4003000187" : "5003000187");
    },
  );

  test("the broker's own acknowledgements carry no user properties [MQTT-3.4.2-3] [MQTT-3.5.2-3]", async () => {
    const client = await broker.connect(narrow);
    const properties = { userProperties: [["a", "b"]] } as const;
    const accepted = await client.publish("open/a", "x", { qos: 1, properties });
    const refused = await client.publish("bounded/a", "x", { qos: 2, properties });
    expect(accepted?.properties?.userProperties).toBeUndefined();
    expect(refused?.properties).toEqual({ reasonString: expect.any(String) as unknown });
  });

  test("a reason string is not sent to who does not want it, whatever it is about [MQTT-3.1.2-29]", async () => {
    const client = await broker.connect({ ...narrow, properties: { requestProblemInformation: false } });
    await client.publish("bounded/a", "x", { qos: 1, packetId: 3 });
    expect(answersTo(client)).toEqual(["4003000387"]);
  });

  test.each([
    ["PUBACK 0x92", "40 04 0001 92 00", 0x82],
    ["PUBACK 0x8f", "40 03 0001 8f", 0x82],
    ["PUBREC 0x01", "50 03 0001 01", 0x82],
    ["PUBREC 0x92", "50 03 0001 92", 0x82],
    ["PUBACK of packet id 0", "40 02 0000", 0x82],
    ["PUBACK with reserved flags", "41 02 0001", 0x81],
    ["PUBREC with reserved flags", "52 02 0001", 0x81],
    ["PUBACK with a property of CONNECT", "40 09 0001 00 05 11 0000000a", 0x81],
    ["PUBACK with two reason strings", `40 0a 0001 00 06 1f 0000 1f 0000`, 0x82],
  ])("%s ends the connection [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-4.13.1-1]", async (_, frame, code) => {
    expect(await closedBy(frame)).toBe(code);
  });

  test("acknowledgements of what was never sent change nothing", async () => {
    const client = await broker.connect();
    client.send("40 02 0001", "70 02 0002", "40 03 0003 87", "50 03 0004 80");
    await client.expectSilence();
  });
});

describe("3.6 PUBREL and 3.7 PUBCOMP", () => {
  test.each(["60", "61", "63", "66"])(
    "PUBREL whose first byte is 0x%s is malformed [MQTT-3.6.1-1]",
    async (firstByte) => {
      expect(await closedBy(`${firstByte} 02 0001`)).toBe(0x81);
      const older = await broker.connect({ version: 4 });
      older.send(`${firstByte} 02 0001`);
      await older.closed;
      expect(answersTo(older)).toEqual([]);
    },
  );

  test("PUBREL is answered by PUBCOMP: 0x00 for an id in use, 0x92 for another [MQTT-3.7.2-1] [MQTT-3.7.2-2] [MQTT-3.7.2-3]", async () => {
    const client = await broker.connect();
    client.send(client.publishPacket("open/a", "x", { qos: 2, packetId: 5 }));
    await client.receive("pubrec");
    await client.release(5);
    await client.release(5);
    expect(answersTo(client)).toEqual(["50020005", "70020005", "7003000592"]);
  });

  test("PUBREC is answered by PUBREL: 0x00 for an id in use, 0x92 for another [MQTT-3.6.2-1] [MQTT-3.6.2-2] [MQTT-3.6.2-3]", async () => {
    const client = await broker.connect();
    await client.subscribe({ topicFilter: "released", qos: 2 });
    const publisher = await broker.connect();
    await publisher.publish("released", "", { qos: 2 });
    const { packetId } = await client.receive("publish");
    client.send({ type: "pubrec", packetId, reasonCode: 0 });
    await client.receive("pubrel");
    client.send({ type: "pubcomp", packetId, reasonCode: 0 }, "50 02 0009");
    await client.receive("pubrel");
    expect(answersTo(client).slice(-2)).toEqual(["62020001", "6203000992"]);
  });

  test("3.1.1 has no reason codes: PUBREL and PUBCOMP of an unknown id look like any other", async () => {
    const client = await broker.connect({ version: 4 });
    client.send("62 02 0007", "50 02 0008");
    await client.receive("pubcomp");
    await client.receive("pubrel");
    expect(answersTo(client)).toEqual(["70020007", "62020008"]);
  });

  test.each([
    ["PUBREL 0x80", "62 03 0001 80"],
    ["PUBREL 0x10", "62 03 0001 10"],
    ["PUBCOMP 0x80", "70 03 0001 80"],
    ["PUBCOMP with reserved flags", "72 02 0001"],
    ["PUBREL of packet id 0", "62 02 0000"],
    ["PUBCOMP without a packet id", "70 00"],
  ])("%s ends the connection [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-4.13.1-1]", async (_, frame) => {
    expect([0x81, 0x82]).toContain(await closedBy(frame));
  });

  test.each([
    ["PUBACK of a QoS 2 PUBLISH", 2, "puback"],
    ["PUBREC of a QoS 1 PUBLISH", 1, "pubrec"],
    ["PUBCOMP of a QoS 2 PUBLISH before PUBREL", 2, "pubcomp"],
  ] as const)("%s is a protocol error", async (_, qos, type) => {
    const client = await broker.connect();
    await client.subscribe({ topicFilter: `wrong/${qos}/${type}`, qos });
    await client.publish(`wrong/${qos}/${type}`, "", { qos });
    const { packetId } = await client.receive("publish");
    client.send({ type, packetId, reasonCode: 0 });
    expect((await client.closed).disconnect?.reasonCode).toBe(0x82);
  });
});
