import { encodePacket } from "@weir/protocol";
import type { PublishPacket } from "@weir/protocol";
import { connectedClient, oneByOne, openClient, packetBytes } from "@weir/testkit";
import type { MqttTestClient } from "@weir/testkit";
import { afterEach, describe, expect, it } from "vitest";
import { turnEnd } from "../../testing/open-connection.ts";
import { openTransport } from "../../testing/open-transport.ts";
import type {
  TransportFixture,
  TransportFixtureOptions,
  TransportName,
} from "../../testing/open-transport.ts";
import { atQos0, messageOf } from "../../testing/recording-core.ts";

describe.each<TransportName>(["tcp", "tls", "ws", "wss"])("over %s", (name) => {
  const opened: TransportFixture[] = [];

  async function listening(options: TransportFixtureOptions = {}): Promise<TransportFixture> {
    const fixture = await openTransport(name, options);
    opened.push(fixture);
    return fixture;
  }

  function connected({ port, ca }: TransportFixture): Promise<MqttTestClient> {
    return connectedClient(port, { over: name, tls: { ca }, clientId: "c" });
  }

  afterEach(async () => {
    for (const fixture of opened.splice(0)) await fixture.close();
  });

  it("a client connects from its address, pings, and leaves", async () => {
    const fixture = await listening();
    const client = await connected(fixture);
    await client.expectSilence();
    expect(fixture.core.last.peer).toMatchObject({ transport: name, address: "127.0.0.1" });
    await client.disconnect();
    await fixture.core.until(() => fixture.core.last.closedCount === 1);
    expect(fixture.core.last.types).toEqual(["connect", "pingreq", "disconnect"]);
    expect(fixture.host.connectionCount).toBe(0);
  });

  it("packets arrive as they were sent when bytes come one by one", async () => {
    const fixture = await listening();
    const client = await openClient(fixture.port, { over: name, tls: { ca: fixture.ca } });
    for (const byte of oneByOne(encodePacket(client.connectPacket(), 5))) client.send(byte);
    for (const byte of oneByOne(packetBytes("30 04 00 01 61 00  c0 00"))) client.send(byte);
    await client.receive("connack");
    await client.receive("pingresp");
    expect(fixture.core.last.types).toEqual(["connect", "publish", "pingreq"]);
  });

  it("a large message comes through in both directions, byte for byte", async () => {
    const fixture = await listening();
    fixture.core.onPacket = (packet, { link }) => {
      if (packet.type === "publish") link.publish(messageOf(packet.topic, packet.payload), atQos0);
      return undefined;
    };
    const client = await connected(fixture);
    const payload = Buffer.from(Array.from({ length: 900_000 }, (_, index) => index % 251));
    await client.publish("large", payload);
    const echoed = await client.receive("publish");
    expect(payload.equals(echoed.payload)).toBe(true);
  });

  it("a reader that has frozen holds no more than the bound and one message, and gets all of it when it thaws", async () => {
    const fixture = await listening({ host: { limits: { maxBufferBytes: 300_000 } } });
    const client = await connected(fixture);
    client.freeze();
    const { link } = fixture.core.last;
    const message = messageOf("a", Buffer.alloc(10_000));
    let sent = 0;
    // Until neither the client's kernel nor ours takes any more
    for (let fullTurns = 0; fullTurns < 50; fullTurns++) {
      for (; link.hasRoom; sent++, fullTurns = 0) link.publish(message, atQos0);
      expect(link.bufferedBytes).toBeLessThan(300_000 + 10_010);
      await turnEnd();
    }
    expect(link.bufferedBytes).toBeGreaterThanOrEqual(300_000);
    client.thaw();
    await client.receiveAll("publish", sent);
    await fixture.core.until(
      () => fixture.core.last.link.bufferedBytes === 0 && fixture.core.last.drainedCount > 0,
    );
  });

  it("bytes that were sent before close arrive, and the connection ends", async () => {
    const fixture = await listening();
    const client = await connected(fixture);
    const { link } = fixture.core.last;
    for (let id = 0; id < 50; id++) link.publish(messageOf("a", Buffer.alloc(3_000)), atQos0);
    link.send({ type: "disconnect", reasonCode: 0x8b });
    link.close();
    const ending = await client.closed;
    expect(ending.disconnect?.reasonCode).toBe(0x8b);
    expect((await client.receiveAll("publish", 50)).length).toBe(50);
    await fixture.core.until(() => fixture.core.last.closedCount === 1);
  });

  it("a client that vanishes is told to the core once", async () => {
    const fixture = await listening();
    const client = await connected(fixture);
    await client.cut();
    await fixture.core.until(() => fixture.core.last.closedCount === 1);
    await turnEnd();
    expect([fixture.core.last.closedCount, fixture.host.connectionCount]).toEqual([1, 0]);
  });

  it("what a client sent before it vanished is handled: a DISCONNECT with unread bytes behind it is no reset", async () => {
    const fixture = await listening();
    const client = await connected(fixture);
    client.freeze();
    fixture.core.last.link.publish(messageOf("a", "1"), atQos0);
    await turnEnd();
    const publish: PublishPacket = client.publishPacket("b", "2");
    client.send(publish, { type: "disconnect", reasonCode: 0 });
    client.end();
    await fixture.core.until(() => fixture.core.last.types.includes("disconnect"));
    expect(fixture.core.last.types).toEqual(["connect", "publish", "disconnect"]);
    client.thaw();
    await fixture.core.until(() => fixture.core.last.closedCount === 1);
  });

  it("one connection more than allowed is refused, and counted", async () => {
    const fixture = await listening({ host: { limits: { maxConnections: 1, maxPacketBytes: 1_000 } } });
    const client = await connected(fixture);
    await expect(connected(fixture)).rejects.toThrow();
    expect(fixture.host.counters.connectionsRefused).toBe(1);
    await client.expectSilence();
  });

  it("nobody comes in after close, and who is in stays", async () => {
    const fixture = await listening();
    const client = await connected(fixture);
    await fixture.transport.close();
    await expect(connected(fixture)).rejects.toThrow();
    await client.expectSilence();
  });
});
