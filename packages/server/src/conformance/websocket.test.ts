import { once } from "node:events";
import {
  type BrokerFixture,
  type ClientOptions,
  framed,
  type MqttTestClient,
  packetBytes,
  startBroker,
  textOf,
} from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WebSocket } from "ws";

const connect = framed(0x10, `"MQTT" 05 02 0000 00 "ws"`);
const subscribe = framed(0x82, `0001 00 "ws/#" 01`);
const publish = framed(0x32, `"ws/a" 0002 00 ff`);
const pingreq = packetBytes("c000");

let broker: BrokerFixture;

beforeAll(async () => {
  broker = await startBroker();
});
afterAll(() => broker.close());

function openWs(options: ClientOptions = {}): Promise<MqttTestClient> {
  return broker.open({ over: "ws", ...options });
}

function frames(client: MqttTestClient): WebSocket {
  if (!client.webSocket) throw new Error("this client has no WebSocket");
  return client.webSocket;
}

async function expectAnswers(client: MqttTestClient): Promise<void> {
  const types = [];
  while (types.length < 5) types.push((await client.receive()).type);
  expect(types.slice(0, 2)).toEqual(["connack", "suback"]);
  expect(types.slice(2).toSorted()).toEqual(["pingresp", "puback", "publish"]);
}

describe("6.0 WebSocket", () => {
  test("the broker picks the subprotocol mqtt, also among others [MQTT-6.0.0-4] [MQTT-6.0.0-3]", async () => {
    for (const subprotocols of [["mqtt"], ["soap", "mqtt"], ["mqttv3.1", "mqtt"]]) {
      const client = await openWs({ subprotocols });
      expect(frames(client).protocol).toBe("mqtt");
      expect(await client.connect()).toMatchObject({ reasonCode: 0 });
    }
  });

  test.each([[[]], [["soap"]], [["MQTT"]], [["mqtt5"]]])(
    "a client that offers %j instead is not let in [MQTT-6.0.0-3]",
    async (subprotocols) => {
      await expect(openWs({ subprotocols })).rejects.toThrow("400");
    },
  );

  test("another path is none of ours", async () => {
    await expect(openWs({ path: "/mqtt2" })).rejects.toThrow("404");
    await expect(openWs({ path: "/" })).rejects.toThrow("404");
  });

  test("several packets in one frame [MQTT-6.0.0-2]", async () => {
    const client = await openWs();
    frames(client).send(Buffer.concat([connect, subscribe, publish, pingreq]));
    await expectAnswers(client);
  });

  test.each([1, 2, 3, 7])(
    "one packet in many frames, %i bytes in each, and frames across packets [MQTT-6.0.0-2]",
    async (size) => {
      const client = await openWs();
      const bytes = Buffer.concat([connect, subscribe, publish, pingreq]);
      for (let start = 0; start < bytes.length; start += size)
        frames(client).send(bytes.subarray(start, start + size));
      await expectAnswers(client);
    },
  );

  test("fragmented and empty frames [MQTT-6.0.0-2]", async () => {
    const client = await openWs();
    const bytes = Buffer.concat([connect, subscribe, publish, pingreq]);
    const webSocket = frames(client);
    webSocket.send(new Uint8Array(0));
    webSocket.send(bytes.subarray(0, 5), { fin: false });
    webSocket.send(bytes.subarray(5, 30), { fin: false });
    webSocket.send(bytes.subarray(30), { fin: true });
    webSocket.send(new Uint8Array(0));
    await expectAnswers(client);
  });

  test("the broker sends binary frames only [MQTT-6.0.0-1]", async () => {
    const client = await openWs();
    const kinds: boolean[] = [];
    frames(client).on("message", (_, isBinary) => kinds.push(isBinary));
    frames(client).send(Buffer.concat([connect, subscribe, publish, pingreq]));
    await expectAnswers(client);
    expect(kinds.length).toBeGreaterThan(0);
    expect(kinds).not.toContain(false);
  });

  test("a text frame closes the connection, even with the bytes of a packet in it [MQTT-6.0.0-1]", async () => {
    const client = await openWs({ clientId: "text" });
    await client.connect();
    const listener = await broker.connect();
    await listener.subscribe("text");
    frames(client).send(framed(0x30, `"text" 00`).toString("latin1"));
    expect((await client.closed).webSocketCode).toBe(1003);
    await listener.expectSilence();
  });

  test("a text frame before CONNECT closes too [MQTT-6.0.0-1]", async () => {
    const client = await openWs();
    frames(client).send("GET / HTTP/1.1");
    expect((await client.closed).webSocketCode).toBe(1003);
  });

  test("the will goes out when a WebSocket is cut, and not after DISCONNECT", async () => {
    const heir = await broker.connect();
    await heir.subscribe("ws-will");
    const will = {
      topic: "ws-will",
      payload: Buffer.from("x"),
      qos: 0,
      retain: false,
      properties: {},
    } as const;
    await (await broker.connect({ over: "ws", will })).disconnect();
    await heir.expectSilence();
    await (await broker.connect({ over: "ws", will })).cut();
    expect((await heir.receive("publish")).topic).toBe("ws-will");
  });

  test("a ping of the WebSocket is answered, and is no PINGREQ", async () => {
    const client = await broker.connect({ over: "ws" });
    frames(client).ping("x");
    const [data] = (await once(frames(client), "pong")) as [Buffer];
    expect(data.toString()).toBe("x");
    await client.expectSilence();
  });

  test.each([3, 4, 5] as const)(
    "a message goes from WebSocket to TCP and back at MQTT level %i",
    async (version) => {
      const web = await broker.connect({ over: "ws", version, clientId: `web${version}` });
      const tcp = await broker.connect({ version, clientId: `tcp${version}` });
      await web.subscribe({ topicFilter: `to/web/${version}`, qos: 2 });
      await tcp.subscribe({ topicFilter: `to/tcp/${version}`, qos: 2 });
      const large = "x".repeat(300_000);
      await web.publish(`to/tcp/${version}`, large, { qos: 2 });
      await tcp.publish(`to/web/${version}`, large, { qos: 1 });
      expect(textOf(await tcp.receiveMessage())).toBe(large);
      expect(textOf(await web.receiveMessage())).toBe(large);
    },
  );

  test("a page of another site is not let in without a credential, and one of this server is", async () => {
    const { port } = broker.addresses.http;
    const from = async (origin: string): Promise<number> => {
      const client = await openWs({ headers: { origin } });
      return (await client.connect()).reasonCode;
    };
    expect(await from("https://elsewhere.example")).toBe(0x87);
    expect(await from(`http://127.0.0.1:${port}`)).toBe(0);
    const rebound = await openWs({ headers: { host: "elsewhere.example" } });
    expect(await rebound.connect()).toMatchObject({ reasonCode: 0x87 });
  });

  test("the credential may come with the upgrade, as a bearer", async () => {
    const key = await broker.token({ acl: [{ actions: ["subscribe"], topic: "mine/#" }], subject: "bearer" });
    const client = await broker.connect({ over: "ws", headers: { authorization: `Bearer ${key}` } });
    expect(await client.subscribe(["mine/a", "other/a"])).toMatchObject({ reasonCodes: [0, 0x87] });
  });
});
