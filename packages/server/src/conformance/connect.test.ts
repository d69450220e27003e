import type { SessionView } from "../core/session/session-view.ts";
import { type BrokerFixture, framed, framesOf, packetBytes, startBroker, textOf } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const CONNECT = 0x10;
const MALFORMED_CONNACK = "2003008100";
const PROTOCOL_ERROR_CONNACK = "2003008200";
const CLIENT_ID_CONNACK = "2003008500";

const everything = [{ actions: ["publish", "subscribe"], topic: "#" }];

let broker: BrokerFixture;
beforeAll(async () => {
  broker = await startBroker();
});
afterAll(() => broker.close());

/** What the broker answers to the first bytes of a connection before it closes that. */
async function answerTo(...bytes: readonly (Uint8Array | string)[]): Promise<string[]> {
  const client = await broker.open();
  client.send(...bytes);
  await client.closed;
  return framesOf(client.chunks);
}

const connectBytes = (body: string): Buffer => framed(CONNECT, body);

describe("3.1 CONNECT is the first packet, once", () => {
  test.each([
    ["PUBLISH", framed(0x30, `"first" 00 21`)],
    ["SUBSCRIBE", framed(0x82, `0001 00 "a" 00`)],
    ["PINGREQ", packetBytes(`c0 00`)],
    ["AUTH", packetBytes(`f0 00`)],
    ["DISCONNECT", packetBytes(`e0 00`)],
  ])("%s before CONNECT closes the connection without an answer [MQTT-3.1.0-1]", async (_, bytes) => {
    expect(await answerTo(bytes, connectBytes(`"MQTT" 05 02 0000 00 "c"`))).toEqual([]);
  });

  test("a second CONNECT closes the connection with 0x82 [MQTT-3.1.0-2]", async () => {
    const client = await broker.connect({ clientId: "twice" });
    client.send({ ...client.connectPacket() });
    expect((await client.closed).disconnect?.reasonCode).toBe(0x82);
  });

  test("a second CONNECT behind the first, in one write, gets one CONNACK [MQTT-3.1.0-2] [MQTT-3.2.0-2]", async () => {
    const connect = connectBytes(`"MQTT" 05 02 0000 00 "pair"`);
    const answers = await answerTo(connect, connect);
    expect(answers.map((frame) => frame.slice(0, 2))).toEqual(["20", "e0"]);
  });

  test("a second CONNECT of 3.1.1 closes the connection without a word [MQTT-3.1.1 3.1.0-2]", async () => {
    const connect = connectBytes(`"MQTT" 04 02 0000 "pair4"`);
    expect(await answerTo(connect, connect)).toEqual(["20020000"]);
  });
});

describe("3.1.2 protocol name, version and flags", () => {
  test.each([
    ["of another protocol", `"HTTP" 05 02 0000 00 "c"`],
    ["in small letters", `"mqtt" 05 02 0000 00 "c"`],
    ["that is empty", `"" 05 02 0000 00 "c"`],
    ["with a character more", `"MQTTx" 05 02 0000 00 "c"`],
  ])("a protocol name %s closes the connection [MQTT-3.1.2-1]", async (_, body) => {
    expect(await answerTo(connectBytes(body))).toEqual([]);
  });

  test.each([6, 9, 127])(
    "MQTT of version %i is answered with 0x84 and closed [MQTT-3.1.2-2]",
    async (version) => {
      const level = version.toString(16).padStart(2, "0");
      expect(await answerTo(connectBytes(`"MQTT" ${level} 02 0000 00 "c"`))).toEqual(["2003008400"]);
    },
  );

  test("MQTT of version 3 is answered as 3.1.1 does, with 1 [MQTT-3.1.1 3.1.2-2]", async () => {
    expect(await answerTo(connectBytes(`"MQTT" 03 02 0000 "c"`))).toEqual(["20020001"]);
  });

  test.each([
    ["the reserved flag [MQTT-3.1.2-3]", `"MQTT" 05 03 0000 00 "c"`],
    ["a will QoS without a will [MQTT-3.1.2-11]", `"MQTT" 05 0a 0000 00 "c"`],
    ["will retain without a will [MQTT-3.1.2-13]", `"MQTT" 05 22 0000 00 "c"`],
    ["a will QoS of 3 [MQTT-3.1.2-12]", `"MQTT" 05 1e 0000 00 "c" 00 "w" "x"`],
  ])("a CONNECT with %s closes the connection", async (_, body) => {
    expect(await answerTo(connectBytes(body))).toEqual([]);
  });

  test.each([
    ["the reserved flag [MQTT-3.1.1 3.1.2-3]", `"MQTT" 04 03 0000 "c"`],
    ["a will QoS without a will [MQTT-3.1.1 3.1.2-13]", `"MQTT" 04 12 0000 "c"`],
    ["a will QoS of 3 [MQTT-3.1.1 3.1.2-14]", `"MQTT" 04 1e 0000 "c" "w" "x"`],
    ["a password without a user name [MQTT-3.1.1 3.1.2-22]", `"MQTT" 04 42 0000 "c" "secret"`],
  ])("a CONNECT of 3.1.1 with %s closes the connection", async (_, body) => {
    const answers = await answerTo(connectBytes(body));
    expect(answers.filter((frame) => frame === "20020000")).toEqual([]);
  });
});

describe("3.1.3 the payload holds what the flags announce, in order", () => {
  test.each([
    ["a will without properties, topic and payload [MQTT-3.1.2-9]", `"MQTT" 05 06 0000 00 "c"`],
    ["a will without a payload [MQTT-3.1.2-9]", `"MQTT" 05 06 0000 00 "c" 00 "will"`],
    ["a will that is not announced [MQTT-3.1.2-9]", `"MQTT" 05 02 0000 00 "c" 00 "will" "x"`],
    ["a user name that is not announced [MQTT-3.1.2-16]", `"MQTT" 05 02 0000 00 "c" "user"`],
    ["no user name where one is announced [MQTT-3.1.2-17]", `"MQTT" 05 82 0000 00 "c"`],
    ["a password that is not announced [MQTT-3.1.2-18]", `"MQTT" 05 82 0000 00 "c" "user" "secret"`],
    ["no password where one is announced [MQTT-3.1.2-19]", `"MQTT" 05 c2 0000 00 "c" "user"`],
    ["no client id [MQTT-3.1.3-3]", `"MQTT" 05 02 0000 00`],
    ["a client id that is no UTF-8 [MQTT-3.1.3-4]", `"MQTT" 05 02 0000 00 0002 c328`],
    ["a will topic that is no UTF-8 [MQTT-3.1.3-11]", `"MQTT" 05 06 0000 00 "c" 00 0003 eda080 "x"`],
    ["a wildcard in the will topic", `"MQTT" 05 06 0000 00 "c" 00 "a/#" "x"`],
    ["a user name that is no UTF-8 [MQTT-3.1.3-12]", `"MQTT" 05 82 0000 00 "c" 0003 eda080`],
    ["a property that CONNECT has not", `"MQTT" 05 02 0000 03 23 0001 "c"`],
  ])("a CONNECT with %s closes the connection [MQTT-3.1.4-1]", async (_, body) => {
    const answers = await answerTo(connectBytes(body));
    // Cut off, or told that it is malformed
    expect([[], [MALFORMED_CONNACK]]).toContainEqual(answers);
  });

  test.each([
    ["a Receive Maximum of 0", `03 21 0000`],
    ["a Maximum Packet Size of 0", `05 27 00000000`],
    ["a Request Problem Information of 2", `02 17 02`],
    ["a Request Response Information of 2", `02 19 02`],
    ["a Session Expiry Interval twice", `0a 11 00000001 11 00000001`],
    ["authentication data without a method", `04 16 0001 00`],
  ])("a CONNECT with %s is answered with 0x82 and closed [MQTT-3.1.4-1]", async (_, properties) => {
    expect(await answerTo(connectBytes(`"MQTT" 05 02 0000 ${properties} "c"`))).toEqual([
      PROTOCOL_ERROR_CONNACK,
    ]);
  });

  test("client id, will, user name and password are read in this order [MQTT-3.1.3-1] [MQTT-3.1.2-9, -17, -19]", async () => {
    const key = await broker.token({ subject: "in-order", acl: everything });
    const watcher = await broker.connect();
    await watcher.subscribe("order/will");
    const client = await broker.open();
    client.send(
      connectBytes(`
        "MQTT" 05 // protocol
        c6        // user name, password, will, clean start
        0000 00   // no keep alive, no properties
        "order"   // client id
        00 "order/will" "gone" // will: no properties, topic, payload
        "someone" // user name
        "${key}"  // password
      `),
    );
    expect((await client.receive("connack")).reasonCode).toBe(0);
    const { items } = (await broker.rest("GET", "/sessions?clientId=order")) as { items: SessionView[] };
    expect(items).toMatchObject([{ clientId: "order", identity: { subject: "in-order" } }]);

    await client.cut();
    const will = await watcher.receive("publish");
    expect([will.topic, textOf(will)]).toEqual(["order/will", "gone"]);
  });

  test("a password needs no user name in MQTT 5", async () => {
    const key = await broker.token({ subject: "nameless", acl: everything });
    const client = await broker.connect({ clientId: "nameless", password: key });
    expect(client.connack?.reasonCode).toBe(0);
  });
});

describe("3.1.3.1 client identifiers", () => {
  test.each([
    ["one character", "a"],
    ["23 characters", "0123456789abcdefghijABC"],
    ["all letters and digits", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"],
    ["more characters than that", "x".repeat(200)],
    ["other characters", "größe/1 #+$"],
  ])("a client id of %s is accepted [MQTT-3.1.3-5]", async (_, clientId) => {
    const client = await broker.connect({ clientId });
    expect(client.connack?.properties?.assignedClientIdentifier).toBeUndefined();
  });

  test("without a client id each client is assigned one of its own [MQTT-3.1.3-6] [MQTT-3.2.2-16]", async () => {
    const clients = await Promise.all([broker.connect(), broker.connect(), broker.connect()]);
    const ids = clients.map(({ connack }) => connack?.properties?.assignedClientIdentifier ?? "");
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^[\w-]{16,}$/);
  });

  test("the assigned client id names the session, as if the client had given it [MQTT-3.1.3-7]", async () => {
    const first = await broker.connect({ properties: { sessionExpiryInterval: 60 } });
    const clientId = first.connack?.properties?.assignedClientIdentifier ?? "";
    await first.subscribe("assigned");
    await first.disconnect();

    const second = await broker.connect({ clientId, cleanStart: false });
    expect(second.connack?.sessionPresent).toBe(true);
    expect(second.connack?.properties?.assignedClientIdentifier).toBeUndefined();
    await second.publish("assigned", "still subscribed");
    expect(textOf(await second.receive("publish"))).toBe("still subscribed");
  });

  test("without a client id and without Clean Start there is a new session [MQTT-3.1.3-6]", async () => {
    const client = await broker.connect({ cleanStart: false });
    expect(client.connack).toMatchObject({ sessionPresent: false, reasonCode: 0 });
    expect(client.connack?.properties?.assignedClientIdentifier).toBeTypeOf("string");
  });

  test("client ids name sessions, byte by byte [MQTT-3.1.3-2]", async () => {
    const properties = { sessionExpiryInterval: 60 };
    const upper = await broker.connect({ clientId: "Same", properties });
    await upper.subscribe("upper");
    await upper.disconnect();
    const lower = await broker.connect({ clientId: "same", cleanStart: false, properties });
    expect(lower.connack?.sessionPresent).toBe(false);
    const again = await broker.connect({ clientId: "Same", cleanStart: false });
    expect(again.connack?.sessionPresent).toBe(true);
    await lower.expectSilence(); // nobody took it over
  });

  test("a client id above the bound is refused with 0x85 and closed [MQTT-3.1.3-8]", async () => {
    const id = `"${"x".repeat(2_000)}"`;
    expect(await answerTo(connectBytes(`"MQTT" 05 02 0000 00 ${id}`))).toEqual([CLIENT_ID_CONNACK]);
  });

  test("a client id that the credential does not have is refused with 0x85 [MQTT-3.1.3-8]", async () => {
    const key = await broker.token({ acl: everything, clientIds: ["mine"] });
    const client = await broker.open({ clientId: "yours", password: key });
    expect(await client.connect()).toMatchObject({ reasonCode: 0x85, sessionPresent: false });
    await client.closed;
  });

  test("3.1.1 without a client id needs a clean session: 2, and closed [MQTT-3.1.1 3.1.3-8]", async () => {
    expect(await answerTo(connectBytes(`"MQTT" 04 00 0000 ""`))).toEqual(["20020002"]);
    const clean = await broker.connect({ version: 4, cleanStart: true });
    expect(clean.connack?.reasonCode).toBe(0); // [MQTT-3.1.1 3.1.3-7]
  });
});

describe("3.1.4 what CONNECT leads to", () => {
  test("a sound CONNECT is acknowledged with 0x00 [MQTT-3.1.4-5]", async () => {
    const client = await broker.open({ clientId: "sound" });
    expect(await client.connect()).toMatchObject({ reasonCode: 0, sessionPresent: false });
    await client.expectSilence();
  });

  test("the same client id again ends the older connection with 0x8E [MQTT-3.1.4-3]", async () => {
    const older = await broker.connect({ clientId: "taken" });
    const newer = await broker.connect({ clientId: "taken" });
    expect((await older.closed).disconnect?.reasonCode).toBe(0x8e);
    await newer.expectSilence();
  });

  test("the same client id again closes an older connection of 3.1.1 [MQTT-3.1.1 3.1.4-2]", async () => {
    const older = await broker.connect({ clientId: "taken4", version: 4 });
    const newer = await broker.connect({ clientId: "taken4", version: 4 });
    await older.closed;
    expect(framesOf(older.chunks)).toEqual(["20020000"]);
    await newer.expectSilence();
  });

  test("many at once with one client id leave one connected [MQTT-3.1.4-3]", async () => {
    const clients = await Promise.all(
      Array.from({ length: 10 }, () => broker.connect({ clientId: "crowd", cleanStart: false })),
    );
    const { items } = (await broker.rest("GET", "/sessions?clientId=crowd")) as { items: SessionView[] };
    expect(items.map(({ connected }) => connected)).toEqual([true]);
    const answers = await Promise.allSettled(clients.map((client) => client.expectSilence()));
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("an authentication method that nobody speaks is refused with 0x8C, and nothing else heard [MQTT-3.1.2-30]", async () => {
    const watcher = await broker.connect();
    await watcher.subscribe("early/#");
    const client = await broker.open({ properties: { authenticationMethod: "SCRAM-SHA-1" } });
    client.send(client.connectPacket(), client.publishPacket("early/method", "x"));
    expect(await client.receive("connack")).toMatchObject({ reasonCode: 0x8c });
    await client.closed;
    await watcher.expectSilence();
  });

  test("what comes before CONNACK is handled after it, in order [MQTT-3.1.4-5] [MQTT-3.2.0-1]", async () => {
    const client = await broker.open({ clientId: "eager" });
    client.send(
      client.connectPacket(),
      framed(0x82, `0001 00 "eager" 00`),
      framed(0x32, `"eager" 0002 00 21`),
      packetBytes(`c0 00`),
    );
    await client.receive("connack");
    await client.receive("suback");
    await client.receive("puback");
    await client.receive("publish");
    await client.receive("pingresp");
  });

  test("a CONNECT in chunks of one byte is one CONNECT", async () => {
    const client = await broker.open();
    for (const byte of connectBytes(`"MQTT" 05 02 0000 00 "slow"`)) client.send(Uint8Array.of(byte));
    expect((await client.receive("connack")).reasonCode).toBe(0);
  });
});

describe("a broker that knows its clients", () => {
  let guarded: BrokerFixture;
  beforeAll(async () => {
    guarded = await startBroker({ anonymous: { allow: "nobody" } });
  });
  afterAll(() => guarded.close());

  test.each([
    ["no credential", {}, 0x87],
    ["a wrong password", { username: "u", password: "wrong" }, 0x86],
    ["a wrong user name", { username: "weir_1_wrong" }, 0x86],
  ])("%s is refused and closed, with Session Present 0 [MQTT-3.1.4-2]", async (_, credential, reasonCode) => {
    const client = await guarded.open(credential);
    expect(await client.connect()).toMatchObject({ reasonCode, sessionPresent: false });
    expect((await client.closed).disconnect).toBeUndefined(); // [MQTT-3.14.0-1]
  });

  test("a refusal is a code without words, so that it fits every client [MQTT-3.2.2-8] [MQTT-3.2.2-19] [MQTT-3.2.2-20]", async () => {
    const client = await guarded.open({ properties: { maximumPacketSize: 5 } });
    client.send(client.connectPacket());
    await client.closed;
    expect(framesOf(client.chunks)).toEqual(["2003008700"]);
  });

  test.each([
    ["no credential", {}, 5],
    ["a wrong password", { username: "u", password: "wrong" }, 4],
  ])("%s of 3.1.1 is refused and closed [MQTT-3.1.1 3.2.2-5]", async (_, credential, returnCode) => {
    const client = await guarded.open({ version: 4, ...credential });
    expect(await client.connect()).toMatchObject({ reasonCode: returnCode, sessionPresent: false });
    await client.closed;
  });

  test("nothing that follows a refused CONNECT is processed [MQTT-3.1.4-6]", async () => {
    const key = await guarded.token({ acl: everything });
    const watcher = await guarded.connect({ password: key });
    await watcher.subscribe("#");
    const client = await guarded.open();
    client.send(
      client.connectPacket(),
      framed(0x31, `"refused" 00 21`),
      framed(0x82, `0001 00 "#" 00`),
      packetBytes(`c0 00`),
    );
    await client.closed;
    expect(framesOf(client.chunks)).toEqual(["2003008700"]);
    await watcher.expectSilence();
    const { items } = (await guarded.rest("GET", "/sessions")) as { items: SessionView[] };
    expect(items).toHaveLength(1);
  });

  test("a refused CONNECT leaves the connection that has the client id alone [MQTT-3.1.4-2]", async () => {
    const key = await guarded.token({ acl: everything });
    const rightful = await guarded.connect({ clientId: "mine", password: key });
    const intruder = await guarded.open({ clientId: "mine", password: "wrong" });
    await intruder.connect();
    await intruder.closed;
    await rightful.expectSilence();
  });
});

describe("MQTT 3.1 (MQIsdp)", () => {
  test("is accepted, and speaks at every QoS", async () => {
    const client = await broker.open({ version: 3 });
    client.send(
      connectBytes(`
        "MQIsdp" 03 // protocol
        02          // clean session
        000a        // keep alive
        "c31"
      `),
      framed(0x82, `0001 "v3" 02`),
    );
    await client.receive("connack");
    await client.receive("suback");
    await client.publish("v3", "0", { qos: 0 });
    await client.publish("v3", "1", { qos: 1 });
    await client.publish("v3", "2", { qos: 2 });
    const messages = [
      await client.receiveMessage(),
      await client.receiveMessage(),
      await client.receiveMessage(),
    ];
    expect(messages.map((message) => [textOf(message), message.qos])).toEqual([
      ["0", 0],
      ["1", 1],
      ["2", 2],
    ]);
    expect(framesOf(client.chunks).slice(0, 2)).toEqual(["20020000", "9003000102"]);
  });

  test("resumes a session, of which its CONNACK cannot tell: that byte is reserved", async () => {
    const first = await broker.connect({ version: 3, clientId: "kept31", cleanStart: false });
    await first.subscribe({ topicFilter: "v3/kept", qos: 1 });
    await first.disconnect();
    await (await broker.connect()).publish("v3/kept", "meanwhile", { qos: 1 });
    const second = await broker.connect({ version: 3, clientId: "kept31", cleanStart: false });
    expect(textOf(await second.receive("publish"))).toBe("meanwhile");
    expect(framesOf(second.chunks)[0]).toBe("20020000");
  });

  test("needs a client id: 2, and closed", async () => {
    expect(await answerTo(connectBytes(`"MQIsdp" 03 02 0000 ""`))).toEqual(["20020002"]);
  });

  test("MQIsdp of another level is answered with 1 and closed", async () => {
    expect(await answerTo(connectBytes(`"MQIsdp" 04 02 0000 "c"`))).toEqual(["20020001"]);
  });

  test("its flags announce a user name and a password that may be missing", async () => {
    const client = await broker.open({ version: 3 });
    client.send(connectBytes(`"MQIsdp" 03 c2 0000 "plain31"`));
    expect((await client.receive("connack")).reasonCode).toBe(0);
  });
});
