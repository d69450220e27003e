import { request } from "node:http";
import { encodePacket } from "@weir/protocol";
import { connectedClient, openClient, packetBytes } from "@weir/testkit";
import type { ClientOptions, MqttTestClient } from "@weir/testkit";
import { afterEach, describe, expect, it } from "vitest";
import { turnEnd } from "../../testing/open-connection.ts";
import { openTransport } from "../../testing/open-transport.ts";
import type { TransportFixture, TransportFixtureOptions } from "../../testing/open-transport.ts";

const opened: TransportFixture[] = [];

async function listening(options: TransportFixtureOptions = {}): Promise<TransportFixture> {
  const fixture = await openTransport("ws", options);
  opened.push(fixture);
  return fixture;
}

afterEach(async () => {
  for (const fixture of opened.splice(0)) await fixture.close();
});

function connected(port: number, options: ClientOptions = {}): Promise<MqttTestClient> {
  return connectedClient(port, { over: "ws", ...options });
}

async function statusOfUpgrade(
  port: number,
  path: string,
  headers: Record<string, string>,
): Promise<number | undefined> {
  const upgrade = request({
    port,
    path,
    headers: { connection: "Upgrade", upgrade: "websocket", ...headers },
  }).end();
  const status = await new Promise<number | undefined>((resolve, reject) => {
    upgrade.once("response", (response) => resolve(response.statusCode));
    upgrade.once("upgrade", (response) => resolve(response.statusCode));
    upgrade.once("error", reject);
  });
  upgrade.destroy();
  return status;
}

const complete = {
  "sec-websocket-version": "13",
  "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
  "sec-websocket-protocol": "mqtt",
};

describe("the upgrade", () => {
  it.each([
    ["another path", "/other", {}, 404],
    ["a path that only begins like ours", "/mqtt/x", {}, 404],
    ["our path with a query", "/mqtt?ticket=x", {}, 101],
    ["no subprotocol", "/mqtt", { "sec-websocket-protocol": "" }, 400],
    ["a subprotocol that is not ours", "/mqtt", { "sec-websocket-protocol": "wamp, mqtts" }, 400],
    ["a subprotocol list that is broken", "/mqtt", { "sec-websocket-protocol": "mqtt, mqtt, @" }, 400],
    ["the subprotocol among others", "/mqtt", { "sec-websocket-protocol": "wamp, mqtt" }, 101],
    ["no key", "/mqtt", { "sec-websocket-key": "" }, 400],
    ["a version that is not 13", "/mqtt", { "sec-websocket-version": "12" }, 400],
  ])("with %s: %s gets %i", async (_, path, headers, status) => {
    const { port, host } = await listening();
    expect(await statusOfUpgrade(port, path, { ...complete, ...headers })).toBe(status);
    expect(host.counters.connectionsRefused).toBe(status === 101 ? 0 : 1);
  });

  it.each([
    [["mqtt"], "mqtt"],
    [["mqttv3.1"], "mqttv3.1"],
    [["mqttv3.1", "mqtt"], "mqtt"],
  ])("offering %j agrees on %s [MQTT-6.0.0-4]", async (subprotocols, agreed) => {
    const { port } = await listening();
    const client = await connected(port, { subprotocols });
    expect(client.webSocket?.protocol).toBe(agreed);
  });

  it("tells the peer's Authorization, Origin and Host", async () => {
    const { port, core } = await listening();
    const headers = { authorization: "Bearer x", origin: "https://app.example" };
    await connected(port, { headers });
    expect(core.last.peer.upgrade).toEqual({ ...headers, host: `127.0.0.1:${port}` });
  });

  it("does not agree on compression", async () => {
    const { port } = await listening();
    const client = await connected(port);
    expect(client.webSocket?.extensions).toBe("");
  });

  it("takes the address from X-Forwarded-For of a listed proxy, and asks it for one", async () => {
    const { port, core } = await listening({ transport: { proxies: ["127.0.0.1"] } });
    await connected(port, { headers: { "x-forwarded-for": "6.6.6.6, 192.0.2.7" } });
    expect(core.last.peer.address).toBe("192.0.2.7");
    expect(await statusOfUpgrade(port, "/mqtt", complete)).toBe(400);
  });

  it("does not believe X-Forwarded-For of others", async () => {
    const { port, core } = await listening();
    await connected(port, { headers: { "x-forwarded-for": "192.0.2.7" } });
    expect(core.last.peer.address).toBe("127.0.0.1");
  });
});

describe("frames", () => {
  it("may hold several packets, and a packet may take several frames [MQTT-6.0.0-2]", async () => {
    const { port, core } = await listening();
    const client = await openClient(port, { over: "ws" });
    const webSocket = client.webSocket!;
    const connect = encodePacket(client.connectPacket(), 5);
    webSocket.send(connect.subarray(0, 5));
    webSocket.send(Buffer.alloc(0));
    webSocket.send(Buffer.concat([connect.subarray(5), packetBytes("c0 00 c0 00 c0")]));
    webSocket.send(packetBytes("00"));
    await client.receive("connack");
    await client.receiveAll("pingresp", 3);
    expect(core.last.types).toEqual(["connect", "pingreq", "pingreq", "pingreq"]);
  });

  it("may be fragmented", async () => {
    const { port } = await listening();
    const client = await connected(port);
    client.webSocket!.send(packetBytes("c0"), { fin: false });
    client.webSocket!.send(packetBytes("00 c0"), { fin: false });
    client.webSocket!.ping();
    client.webSocket!.send(packetBytes("00"), { fin: true });
    await client.receiveAll("pingresp", 2);
  });

  it("of one turn are one, whatever the number of packets", async () => {
    const { port, core } = await listening();
    const client = await connected(port);
    const frames: number[] = [];
    client.webSocket!.on("message", (data: Buffer, isBinary) => frames.push(isBinary ? data.length : -1));
    for (let id = 1; id <= 10; id++) core.last.link.ack("puback", id, 0);
    await client.receiveAll("puback", 10);
    expect(frames).toEqual([40]);
  });

  it("of text close the connection, after what came before [MQTT-6.0.0-1]", async () => {
    const { port, core } = await listening();
    const client = await connected(port);
    client.webSocket!.send(packetBytes("c0 00"));
    client.webSocket!.send("c0 00");
    client.webSocket!.send(packetBytes("c0 00"));
    expect((await client.closed).webSocketCode).toBe(1003);
    await core.until(() => core.last.closedCount === 1);
    expect(core.last.types).toEqual(["connect", "pingreq"]);
  });

  it("beyond the bound close the connection before they are collected, also in fragments", async () => {
    const { port, core } = await listening();
    const fragment = Buffer.alloc(600_000);
    const [whole, fragmented, crumbled] = await Promise.all([
      connected(port),
      connected(port),
      connected(port),
    ]);
    whole.webSocket!.send(Buffer.alloc(1_200_000));
    fragmented.webSocket!.send(fragment, { fin: false });
    fragmented.webSocket!.send(fragment, { fin: false });
    for (let sent = 0; sent < 1_100; sent++) crumbled.webSocket!.send(Buffer.of(0xc0), { fin: false });
    const endings = await Promise.all([whole.closed, fragmented.closed, crumbled.closed]);
    expect(endings.map((ending) => ending.webSocketCode)).toEqual([1009, 1009, 1008]);
    await core.until(() => core.clients.every((client) => client.closedCount === 1));
  });

  it("of small packets, many at once and none of them waited for, come through in order", async () => {
    const { port, core } = await listening();
    const work = Promise.withResolvers<void>();
    const client = await connected(port);
    core.onPacket = (packet) => (packet.type === "publish" ? work.promise : undefined);
    client.send(client.publishPacket("a", "1"));
    for (let sent = 0; sent < 5_000; sent++) client.webSocket!.send(packetBytes("c0 00"));
    await core.until(() => core.last.types.includes("publish"));
    await turnEnd();
    expect(core.last.types).toEqual(["connect", "publish"]);
    work.resolve();
    await client.receiveAll("pingresp", 5_000);
  });
});

describe("the end", () => {
  it("says 1000 to a client whose session the core closes", async () => {
    const { port, core } = await listening();
    const client = await connected(port);
    core.last.link.close();
    expect((await client.closed).webSocketCode).toBe(1000);
  });

  it("of a client that closes the WebSocket only is told to the core", async () => {
    const { port, core } = await listening();
    const client = await connected(port);
    client.webSocket!.close(1001);
    await client.closed;
    await core.until(() => core.last.closedCount === 1);
  });
});
