import type { AuthPacket } from "@weir/protocol";
import {
  type BrokerFixture,
  type ClientOptions,
  framed,
  framesOf,
  type MqttTestClient,
  startBroker,
} from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

let broker: BrokerFixture;

beforeAll(async () => {
  broker = await startBroker();
});
afterAll(() => broker.close());

/** Sends the frames in one write, and gives the code of the DISCONNECT that the broker ends the connection with. */
async function closedBy(
  client: MqttTestClient,
  ...frames: readonly (string | Buffer)[]
): Promise<number | undefined> {
  client.send(...frames);
  return (await client.closed).disconnect?.reasonCode;
}

/** A client with a will, and one that waits for it. */
async function withWill(
  topic: string,
  options: ClientOptions = {},
): Promise<[MqttTestClient, MqttTestClient]> {
  const heir = await broker.connect();
  await heir.subscribe(topic);
  const will = { topic, payload: Buffer.from("will"), qos: 0, retain: false, properties: {} } as const;
  return [await broker.connect({ will, ...options }), heir];
}

describe("3.12 PINGREQ", () => {
  test.each([3, 4, 5] as const)(
    "is answered by PINGRESP at MQTT level %i [MQTT-3.12.4-1]",
    async (version) => {
      const client = await broker.connect({ version, clientId: `ping${version}` });
      client.send("c0 00", "c0 00");
      await client.receive("pingresp");
      await client.receive("pingresp");
      expect(framesOf(client.chunks).slice(1)).toEqual(["d000", "d000"]);
    },
  );

  test.each(["c1 00", "c0 01 00"])("%s is malformed", async (frame) => {
    expect(await closedBy(await broker.connect(), frame)).toBe(0x81);
  });
});

describe("3.14 DISCONNECT", () => {
  test("a CONNECT that is refused or malformed gets CONNACK at most, never DISCONNECT [MQTT-3.14.0-1]", async () => {
    const method = await broker.open({ properties: { authenticationMethod: "GS2-KRB5" } });
    await method.connect();
    await method.closed;
    expect(framesOf(method.chunks)).toEqual(["2003008c00"]);

    const malformed = await broker.open();
    malformed.send(framed(0x10, `"MQTT" 05 02 003c 00 0002 c328`));
    await malformed.closed;
    expect(framesOf(malformed.chunks)).toEqual(["2003008100"]);

    const first = await broker.open();
    first.send("c0 00");
    await first.closed;
    expect(first.chunks).toEqual([]);
  });

  test.each([
    ["flags 0001 [MQTT-3.14.1-1]", "e1 00", 0x81],
    ["flags 0010 [MQTT-3.14.1-1]", "e2 00", 0x81],
    ["0x01, which is not of the list [MQTT-3.14.2-1]", "e0 01 01", 0x82],
    ["0x8e, which is the server's [MQTT-3.14.2-1]", "e0 01 8e", 0x82],
    ["a property of PUBLISH", "e0 04 00 02 01 01", 0x81],
    ["two reason strings", "e0 08 00 06 1f 0000 1f 0000", 0x82],
    ["a Session Expiry Interval after 0 in CONNECT", "e0 07 00 05 11 00000001", 0x82],
  ])("with %s is answered by a DISCONNECT that says so", async (_, frame, code) => {
    expect(await closedBy(await broker.connect(), frame)).toBe(code);
  });

  test("of 3.1.1 with something behind its header closes without a word, and the will goes out [MQTT-3.14.1-1]", async () => {
    const [client, heir] = await withWill("malformed/4", { version: 4 });
    expect(await closedBy(client, "e0 01 00")).toBeUndefined();
    expect((await heir.receive("publish")).topic).toBe("malformed/4");
  });

  test.each([
    ["e0 00", 5],
    ["e0 01 00", 5],
    ["e0 02 00 00", 5],
    ["e0 00", 4],
    ["e0 00", 3],
  ] as const)(
    "%s drops the will at MQTT level %i, and closes [MQTT-3.14.4-3] [MQTT-3.14.4-2]",
    async (frame, version) => {
      const [client, heir] = await withWill(`dropped/${version}`, { version, clientId: `dropped${version}` });
      expect(await closedBy(client, frame)).toBeUndefined();
      await heir.expectSilence();
    },
  );

  test.each(["04", "80", "82", "93"])(
    "0x%s from a client lets the will go out [MQTT-3.14.4-3] [MQTT-3.14.2-1]",
    async (code) => {
      const [client, heir] = await withWill(`sent/${code}`);
      expect(await closedBy(client, `e0 01 ${code}`)).toBeUndefined();
      expect((await heir.receive("publish")).topic).toBe(`sent/${code}`);
    },
  );

  test("what a client sends behind its DISCONNECT is not handled [MQTT-3.14.4-1]", async () => {
    const listener = await broker.connect();
    await listener.subscribe("behind");
    const client = await broker.connect();
    client.send(
      client.publishPacket("behind", "before"),
      "e0 00",
      client.publishPacket("behind", "after"),
      "c0 00",
    );
    await client.closed;
    await listener.receive("publish");
    await listener.expectSilence();
    expect(framesOf(client.chunks)).toHaveLength(1);
  });

  test("the broker sends nothing behind its DISCONNECT, and closes [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-4.13.2-1]", async () => {
    const client = await broker.connect();
    await client.subscribe({ topicFilter: "late", qos: 1 });
    const late = client.publishPacket("late", "", { qos: 1 });
    expect(await closedBy(client, "c0 00", framed(0x30, `0000 00`), encoded(late), "c0 00")).toBe(0x82);
    expect(framesOf(client.chunks).map((frame) => frame.slice(0, 2))).toEqual(["20", "90", "d0", "e0"]);
  });

  test("the broker's DISCONNECT says why, and has no Session Expiry Interval [MQTT-3.14.2-2] [MQTT-3.14.2-4]", async () => {
    const client = await broker.connect({ properties: { sessionExpiryInterval: 60 } });
    client.send(client.connectPacket());
    const { disconnect } = await client.closed;
    expect(disconnect).toEqual({
      type: "disconnect",
      reasonCode: 0x82,
      properties: { reasonString: expect.any(String) as unknown },
    });
  });

  test("a CONNECT whose Maximum Packet Size is smaller than any CONNACK is closed without one, and leaves no session [MQTT-3.1.2-24] [MQTT-3.14.0-1]", async () => {
    const options = { clientId: "tiny", cleanStart: false };
    const client = await broker.open({
      ...options,
      properties: { maximumPacketSize: 4, sessionExpiryInterval: 0 },
    });
    client.send(client.connectPacket());
    await client.closed;
    expect(client.chunks).toEqual([]);
    expect((await broker.connect(options)).connack?.sessionPresent).toBe(false);
  });

  test("the reason string is left out where DISCONNECT would be too large with it [MQTT-3.14.2-3]", async () => {
    const roomy = await broker.connect();
    await closedBy(roomy, "f0 00");
    const bytes = (framesOf(roomy.chunks).at(-1)?.length ?? 0) / 2;
    const within = (maximumPacketSize: number): Promise<MqttTestClient> =>
      broker.connect({ clientId: "tight", keepAlive: 60, properties: { maximumPacketSize } });
    const tight = await within(bytes - 1);
    await closedBy(tight, "f0 00");
    const fitting = await within(bytes);
    await closedBy(fitting, "f0 00");
    expect(framesOf(tight.chunks).at(-1)).toBe("e00182");
    expect(framesOf(fitting.chunks).at(-1)).toBe(framesOf(roomy.chunks).at(-1));
  });

  test("3.1.1 has no DISCONNECT from the server: it closes [MQTT-4.13.2-1]", async () => {
    const client = await broker.connect({ version: 4 });
    client.send(client.connectPacket());
    await client.closed;
    expect(framesOf(client.chunks)).toEqual(["20020000"]);
  });

  test("DISCONNECT may shorten the session's expiry to 0: nothing of it remains [MQTT-4.1.0-2]", async () => {
    const options = { clientId: "shortened", cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const client = await broker.connect(options);
    await client.disconnect({ properties: { sessionExpiryInterval: 0 } });
    expect((await broker.connect(options)).connack?.sessionPresent).toBe(false);
  });
});

describe("3.15 AUTH and 4.12 enhanced authentication", () => {
  test.each([
    ["flags 0001 [MQTT-3.15.1-1]", "f1 00", 0x81],
    ["0x01, which is not of the list [MQTT-3.15.2-1]", "f0 02 01 00", 0x82],
    [
      "0x18 without a method in CONNECT [MQTT-4.12.0-7] [MQTT-4.12.0-3]",
      framed(0xf0, `18 07 15 "GS2-"`),
      0x82,
    ],
    [
      "0x19 without a method in CONNECT [MQTT-4.12.1-1] [MQTT-4.12.1-2]",
      framed(0xf0, `19 08 15 "token"`),
      0x82,
    ],
    ["0x00 without a method in CONNECT [MQTT-4.12.0-7]", "f0 00", 0x82],
  ])("AUTH with %s ends the connection", async (_, frame, code) => {
    const client = await broker.connect();
    expect(await closedBy(client, frame)).toBe(code);
    expect(framesOf(client.chunks).map((bytes) => bytes.slice(0, 1))).toEqual(["2", "e"]);
  });

  test("AUTH before CONNECT closes without a word [MQTT-3.1.0-1]", async () => {
    const client = await broker.open();
    client.send("f0 00");
    await client.closed;
    expect(client.chunks).toEqual([]);
  });

  test("AUTH closes a connection of 3.1.1, which has no such packet", async () => {
    const client = await broker.connect({ version: 4 });
    expect(await closedBy(client, "f0 00")).toBeUndefined();
  });

  test("an unknown authentication method is refused with 0x8c and closed, without AUTH [MQTT-4.12.0-1] [MQTT-4.12.0-4] [MQTT-4.12.0-5]", async () => {
    for (const authenticationMethod of ["SCRAM-SHA-256", "Token", ""]) {
      const client = await broker.open({
        properties: { authenticationMethod, authenticationData: Buffer.from("data") },
      });
      expect(await client.connect()).toMatchObject({ sessionPresent: false, reasonCode: 0x8c });
      await client.closed;
      expect(framesOf(client.chunks)).toEqual(["2003008c00"]);
    }
  });

  test("nothing but AUTH and DISCONNECT may follow such a CONNECT: no PUBLISH is handled [MQTT-3.1.2-30] [MQTT-3.1.4-6]", async () => {
    const listener = await broker.connect();
    await listener.subscribe("early");
    const client = await broker.open({ properties: { authenticationMethod: "unknown" } });
    client.send(client.connectPacket(), client.publishPacket("early", ""), "f0 00");
    await client.closed;
    await listener.expectSilence();
    expect(framesOf(client.chunks)).toEqual(["2003008c00"]);
  });

  test("without a method in CONNECT there is no AUTH from the broker, and no method in CONNACK [MQTT-4.12.0-6]", async () => {
    const client = await broker.connect({ properties: { requestProblemInformation: true } });
    await client.expectSilence();
    expect(client.connack?.properties).not.toHaveProperty("authenticationMethod");
    expect(client.connack?.properties).not.toHaveProperty("authenticationData");
  });
});

describe("4.12.1 Re-authentication by the method token", () => {
  const method = { authenticationMethod: "token" };
  let key: string;
  let another: string;
  beforeAll(async () => {
    key = await broker.token({ subject: "renewing" });
    another = await broker.token({ subject: "renewing" });
  });

  function open(credential = key, options: ClientOptions = {}): Promise<MqttTestClient> {
    const properties = { ...method, authenticationData: Buffer.from(credential), ...options.properties };
    return broker.open({ ...options, properties });
  }

  async function connected(): Promise<MqttTestClient> {
    const client = await open();
    await client.connect();
    return client;
  }

  const auth = (credential: string, reasonCode = 0x19, authenticationMethod = "token"): AuthPacket => ({
    type: "auth",
    reasonCode: reasonCode as AuthPacket["reasonCode"],
    properties: { authenticationMethod, authenticationData: Buffer.from(credential) },
  });

  test("CONNECT with a credential as data is answered by CONNACK with the method, without an AUTH before it [MQTT-4.12.0-2] [MQTT-4.12.0-5]", async () => {
    const client = await connected();
    expect(client.connack).toMatchObject({ reasonCode: 0, properties: method });
    expect(framesOf(client.chunks)).toHaveLength(1);
  });

  test.each([
    ["a wrong credential", "weir_x_y", 0x86],
    ["no data", undefined, 0x87],
  ])(
    "CONNECT with %s is refused, whatever anonymous clients may do [MQTT-4.12.0-4]",
    async (_, data, code) => {
      const authenticationData = data === undefined ? undefined : Buffer.from(data);
      const client = await broker.open({
        properties: { ...method, ...(authenticationData && { authenticationData }) },
      });
      expect((await client.connect()).reasonCode).toBe(code);
      await client.closed;
    },
  );

  test("AUTH with another credential of the same identity is answered by AUTH 0x00 with the method [MQTT-4.12.0-5] [MQTT-4.12.1-1]", async () => {
    const client = await connected();
    for (const credential of [another, key, key]) {
      client.send(auth(credential));
      expect(await client.receive("auth")).toEqual({ type: "auth", reasonCode: 0, properties: method });
    }
  });

  test("AUTH is answered without reason string and user properties, so that it fits every client that CONNACK fits [MQTT-3.15.2-2] [MQTT-3.15.2-3]", async () => {
    const keepAlive = 60;
    const roomy = await open(key, { keepAlive });
    const connackBytes = (await roomy.connect(), framesOf(roomy.chunks)[0]?.length ?? 0) / 2;
    const client = await open(key, { keepAlive, properties: { maximumPacketSize: connackBytes } });
    await client.connect();
    client.send(auth(another));
    expect((await client.receive("auth")).properties).toEqual(method);
  });

  test("packets between AUTH and its answer are handled in order, under the old credential", async () => {
    const client = await connected();
    const [before, after] = [
      client.publishPacket("renew/a", "", { qos: 1 }),
      client.publishPacket("renew/b", "", { qos: 1 }),
    ];
    client.send(before, auth(another), after, { type: "pingreq" });
    const types = [];
    for (let i = 0; i < 4; i++) types.push((await client.receive()).type);
    expect(types.toSorted((a, b) => a.localeCompare(b))).toEqual(["auth", "pingresp", "puback", "puback"]);
  });

  test.each([
    ["a wrong credential", () => auth("weir_x_y"), 0x87],
    ["no credential", () => auth(""), 0x87],
    ["a credential of another identity", async () => auth(await broker.token({ subject: "another" })), 0x87],
    ["another method [MQTT-4.12.1-1]", () => auth(another, 0x19, "Token"), 0x82],
    ["0x18, which continues nothing", () => auth(another, 0x18), 0x82],
  ])("AUTH with %s ends the connection [MQTT-4.12.1-2]", async (_, packet, code) => {
    const client = await connected();
    client.send(await packet());
    expect((await client.closed).disconnect?.reasonCode).toBe(code);
  });
});

describe("4.13 Handling errors", () => {
  test.each([
    ["a QoS of 3", "36 00", 0x81],
    ["a packet type that is none", "00 00", 0x82],
    ["a packet of the server's", "d0 00", 0x82],
    ["a remaining length of five bytes", "30 80 80 80 80 01", 0x81],
    ["a remaining length longer than it needs to be", "c0 80 00", 0x81],
    ["a packet larger than the Maximum Packet Size", "30 81 80 40", 0x95],
    ["a topic alias of 0", "30 08 0001 61 03 23 0000 00", 0x94],
    ["a topic alias above the maximum", "30 07 0001 61 03 23 0041", 0x94],
    ["an unknown property", "30 06 0001 61 02 7f 00", 0x81],
  ])(
    "%s is told by its reason code, then the connection is closed [MQTT-4.13.1-1] [MQTT-4.13.2-1]",
    async (_, frame, code) => {
      const client = await broker.connect();
      const other = await broker.connect();
      expect(await closedBy(client, frame)).toBe(code);
      await other.expectSilence();
    },
  );
});

function encoded({ topic, packetId }: { readonly topic: string; readonly packetId: number }): Buffer {
  return framed(0x32, `"${topic}" ${packetId.toString(16).padStart(4, "0")} 00`);
}
