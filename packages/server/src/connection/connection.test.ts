import { encodePacket, PacketDecoder } from "@weir/protocol";
import type { ConnectPacket, Packet, ProtocolVersion, ServerPacket } from "@weir/protocol";
import { describe, expect, it } from "vitest";
import { oneByOne, packetBytes } from "@weir/testkit";
import { createHost, openConnection, turnEnd } from "../../testing/open-connection.ts";
import type { HostFixture, OpenedConnection } from "../../testing/open-connection.ts";
import { atQos0, messageOf } from "../../testing/recording-core.ts";

function connectPacket(version: ProtocolVersion, overrides: Partial<ConnectPacket> = {}): ConnectPacket {
  return {
    type: "connect",
    protocolVersion: version,
    cleanStart: true,
    keepAlive: 0,
    clientId: "c",
    properties: {},
    ...overrides,
  };
}

function bytesOf(...packets: readonly Packet[]): Buffer {
  return Buffer.concat(packets.map((packet) => encodePacket(packet, 5)));
}

/** A client that was accepted, and whose CONNACK has left. */
async function connected(
  overrides: Partial<ConnectPacket> = {},
  fixture: HostFixture = createHost(),
): Promise<OpenedConnection> {
  const opened = openConnection(fixture);
  opened.stream.sink.received(bytesOf(connectPacket(overrides.protocolVersion ?? 5, overrides)));
  await turnEnd();
  opened.stream.writes.length = 0;
  return opened;
}

function packetsIn(bytes: Uint8Array, version: ProtocolVersion = 5): ServerPacket[] {
  const decoder = new PacketDecoder({ from: "server", maxPacketBytes: Infinity, protocolVersion: version });
  const packets: ServerPacket[] = [];
  decoder.push(bytes);
  for (let packet = decoder.next(); packet !== undefined; packet = decoder.next())
    packets.push(packet as ServerPacket);
  return packets;
}

const pingreq = packetBytes("c0 00");
const publishA = bytesOf({
  type: "publish",
  topic: "a",
  payload: Buffer.from("1"),
  qos: 0,
  retain: false,
  dup: false,
  packetId: 0,
});
const disconnect = packetBytes("e0 00");

describe("reading", () => {
  it("gives the client the same packets when bytes come one by one", () => {
    const { stream, client } = openConnection();
    const bytes = Buffer.concat([bytesOf(connectPacket(5)), publishA, pingreq, publishA]);
    for (const byte of oneByOne(bytes)) stream.sink.received(byte);
    expect(client.types).toEqual(["connect", "publish", "pingreq", "publish"]);
  });

  it("hands over no further packet while the client works on one, and pauses a stream that brings more", async () => {
    const { stream, client, core } = openConnection();
    const work = Promise.withResolvers<void>();
    core.onPacket = (packet) => (packet.type === "connect" ? work.promise : undefined);
    stream.sink.received(Buffer.concat([bytesOf(connectPacket(5)), publishA]));
    expect(client.types).toEqual(["connect"]);
    expect(stream.isPaused).toBe(false);
    stream.sink.received(publishA);
    expect(stream.isPaused).toBe(true);
    work.resolve();
    await turnEnd();
    expect(client.types).toEqual(["connect", "publish", "publish"]);
    expect(stream.isPaused).toBe(false);
  });

  it("takes no packet while the core has paused the link, and all of them in order afterwards", async () => {
    const { stream, client } = await connected();
    client.link.pause(true);
    stream.sink.received(Buffer.concat([publishA, pingreq]));
    stream.sink.received(publishA);
    expect(client.types).toEqual(["connect"]);
    client.link.pause(false);
    expect(client.types).toEqual(["connect", "publish", "pingreq", "publish"]);
  });

  it("does not hand over a packet within another's handling when the core pauses and resumes there", async () => {
    const { stream, client, core } = await connected();
    const depths: number[] = [];
    let depth = 0;
    core.onPacket = () => {
      depths.push(++depth);
      client.link.pause(true);
      client.link.pause(false);
      depth--;
      return undefined;
    };
    stream.sink.received(Buffer.concat([pingreq, pingreq, pingreq]));
    expect(depths).toEqual([1, 1, 1]);
  });

  it("gives a firehose 1,000 packets a turn, so that others have theirs", async () => {
    const fixture = createHost();
    const firehose = await connected({}, fixture);
    const other = await connected({}, fixture);
    await turnEnd();
    firehose.stream.sink.received(Buffer.concat(Array.from({ length: 2_500 }, () => pingreq)));
    expect(firehose.client.packets.length).toBe(1 + 1_000);
    other.stream.sink.received(pingreq);
    expect(other.client.types).toEqual(["connect", "pingreq"]);
    await turnEnd();
    expect(firehose.client.packets.length).toBeLessThanOrEqual(1 + 2_000);
    await turnEnd();
    await turnEnd();
    expect(firehose.client.packets.length).toBe(1 + 2_500);
  });

  it("stops reading from a peer that asks and never listens", async () => {
    const { stream, client } = await connected({}, createHost({ limits: { maxBufferBytes: 1_000 } }));
    stream.isFluent = false;
    for (let turn = 0; turn < 20; turn++) {
      stream.sink.received(Buffer.concat(Array.from({ length: 500 }, () => pingreq)));
      await turnEnd();
    }
    expect(client.link.bufferedBytes).toBe(2_000);
    expect(stream.isPaused).toBe(true);
    stream.isFluent = true;
    stream.take();
    for (let turn = 0; turn < 12; turn++) await turnEnd();
    expect(client.packets.length).toBe(1 + 10_000);
    expect(stream.isPaused).toBe(false);
  });

  it("refuses what is malformed, and handles nothing after it [MQTT-4.13.1-1]", async () => {
    const { stream, client } = await connected();
    stream.sink.received(Buffer.concat([pingreq, packetBytes("36 00 // PUBLISH at QoS 3"), pingreq]));
    expect(client.types).toEqual(["connect", "pingreq"]);
    expect(client.refusals.map((error) => error.reasonCode)).toEqual([0x81]);
    expect(packetsIn(stream.written).map((packet) => packet.type)).toEqual(["pingresp", "disconnect"]);
    expect(stream.calls).toContain("end");
  });

  it("closes the connection, and only that one, when a packet cannot be handled for a mistake of ours", async () => {
    const fixture = createHost();
    const other = await connected({}, fixture);
    const { stream, core } = await connected({}, fixture);
    core.onPacket = () => {
      throw new Error("planted");
    };
    stream.sink.received(publishA);
    expect(stream.calls).toContain("end");
    core.onPacket = () => Promise.reject(new Error("planted"));
    other.stream.sink.received(publishA);
    await turnEnd();
    expect(other.stream.calls).toContain("end");
  });
});

describe("writing", () => {
  it("makes one write a turn of all that is sent in it", async () => {
    const { stream, client } = await connected();
    for (let id = 1; id <= 100; id++) client.link.ack("puback", id, 0);
    client.link.publish(messageOf("a", "1"), atQos0);
    client.link.send({ type: "pingresp" });
    expect(stream.writes).toEqual([]);
    await turnEnd();
    expect(stream.writes.length).toBe(1);
    expect(packetsIn(stream.written).length).toBe(102);
  });

  it("counts what waits in memory and in the stream, and says when half of the bound is free again", async () => {
    const { stream, client } = await connected({}, createHost({ limits: { maxBufferBytes: 10_000 } }));
    stream.isFluent = false;
    let sent = 0;
    while (client.link.hasRoom) {
      client.link.publish(messageOf("a", Buffer.alloc(995)), atQos0);
      if (++sent % 3 === 0) await turnEnd();
    }
    expect(client.link.bufferedBytes).toBe(10_020);
    stream.take();
    expect(client.drainedCount).toBe(0);
    expect(client.link.hasRoom).toBe(true);
    stream.take();
    expect(client.link.bufferedBytes).toBe(0);
    expect(client.drainedCount).toBe(1);
    expect(packetsIn(stream.written).length).toBe(sent);
  });

  it("says drained also when the kernel takes everything at the end of the turn", async () => {
    const { stream, client } = await connected({}, createHost({ limits: { maxBufferBytes: 1_000 } }));
    stream.isFluent = false;
    client.link.publish(messageOf("a", Buffer.alloc(2_000)), atQos0);
    expect(client.link.hasRoom).toBe(false);
    stream.isFluent = true;
    stream.take();
    await turnEnd();
    expect(client.drainedCount).toBe(1);
  });

  it("has room for a burst of any size in one turn while the kernel takes it", async () => {
    const { stream, client } = await connected({}, createHost({ limits: { maxBufferBytes: 10_000 } }));
    for (let at = 0; at < 200; at++) {
      expect(client.link.hasRoom).toBe(true);
      client.link.publish(messageOf("a", Buffer.alloc(3_000)), atQos0);
    }
    await turnEnd();
    expect(packetsIn(stream.written).length).toBe(200);
  });

  it("sends 3.1.1 clients neither DISCONNECT nor AUTH, and return codes for reason codes [MQTT-3.2.2-4]", async () => {
    const { stream, client } = await connected({ protocolVersion: 4 });
    client.link.send({ type: "disconnect", reasonCode: 0x8e });
    client.link.send({ type: "auth", reasonCode: 0x18 });
    client.link.ack("puback", 7, 0x87);
    client.link.send({ type: "suback", packetId: 8, reasonCodes: [1, 0x87] });
    await turnEnd();
    expect(stream.written).toEqual(packetBytes("40 02 00 07  90 04 00 08 01 80"));
  });

  it.each([
    [4, 0x86, "20 02 00 04"],
    [4, 0x87, "20 02 00 05"],
    [4, 0x85, "20 02 00 02"],
    [4, 0x97, "20 02 00 03"],
    [3, 0x89, "20 02 00 03"],
    [5, 0x87, "20 03 00 87 00"],
  ] as const)(
    "tells a refused CONNECT of version %i the reason 0x%s as %s",
    async (version, reasonCode, bytes) => {
      const { stream, client, core } = openConnection();
      core.onPacket = () => {
        client.link.send({ type: "connack", sessionPresent: false, reasonCode });
        client.link.close();
        return Promise.resolve();
      };
      stream.sink.received(bytesOf(connectPacket(version)));
      await turnEnd();
      expect(stream.written).toEqual(packetBytes(bytes));
    },
  );

  it("answers a protocol level of the future with CONNACK 0x84 as 5.0 has it [MQTT-3.1.2-2]", async () => {
    const { stream } = openConnection();
    stream.sink.received(packetBytes("10 0d  00 04 4d515454 // MQTT \n 06 // level \n 02 00 00 00 00 01 78"));
    await turnEnd();
    expect(stream.written).toEqual(packetBytes("20 03 00 84 00"));
  });
});

describe("ends", () => {
  it("flushes, ends its side, and tells the client once the network is gone", async () => {
    const { stream, client, host } = await connected();
    client.link.send({ type: "disconnect", reasonCode: 0x8b });
    client.link.close();
    client.link.close();
    expect(stream.written).toEqual(packetBytes("e0 01 8b"));
    expect(stream.calls).toEqual(["end"]);
    expect(client.closedCount).toBe(0);
    stream.sink.gone();
    expect(client.closedCount).toBe(1);
    expect([host.connectionCount, host.deadlines.count]).toEqual([0, 0]);
    client.link.send({ type: "pingresp" });
    client.link.close();
    await turnEnd();
    expect([stream.writes.length, client.closedCount]).toEqual([1, 1]);
  });

  it("cuts a peer that takes neither the last bytes nor the end within a second", async () => {
    const { stream, client, clock } = await connected();
    stream.isFluent = false;
    client.link.send({ type: "disconnect", reasonCode: 0x8b });
    client.link.close();
    clock.advance(900);
    expect(stream.calls).toEqual([]);
    clock.advance(600);
    expect(stream.calls).toEqual(["destroy"]);
  });

  it("handles what came before the peer's end, then closes", async () => {
    const { stream, client, core } = openConnection();
    const work = Promise.withResolvers<void>();
    core.onPacket = (packet) => (packet.type === "connect" ? work.promise : undefined);
    stream.sink.received(Buffer.concat([bytesOf(connectPacket(5)), publishA, disconnect]));
    stream.sink.ended();
    expect(stream.calls).toEqual([]);
    work.resolve();
    await turnEnd();
    expect(client.types).toEqual(["connect", "publish", "disconnect"]);
    expect(stream.calls).toEqual(["end"]);
  });

  it("handles what came before the network went, though the core had paused, then tells the client once", async () => {
    const { stream, client } = await connected();
    client.link.pause(true);
    stream.sink.received(Buffer.concat([publishA, disconnect]));
    stream.sink.gone();
    expect(client.types).toEqual(["connect", "publish", "disconnect"]);
    await turnEnd();
    expect(client.closedCount).toBe(1);
  });

  it("waits for the packet that is worked on when the network goes", async () => {
    const { stream, client, core } = await connected();
    const work = Promise.withResolvers<void>();
    core.onPacket = () => work.promise;
    stream.sink.received(publishA);
    stream.sink.gone();
    expect(client.closedCount).toBe(0);
    work.resolve();
    await turnEnd();
    expect(client.closedCount).toBe(1);
  });

  it("tells the client at once when the network goes after the core has closed, whatever it still works on", async () => {
    const { stream, client, core } = await connected();
    core.onPacket = () => new Promise(() => undefined);
    stream.sink.received(publishA);
    client.link.close();
    stream.sink.gone();
    expect(client.closedCount).toBe(1);
  });
});

describe("deadlines", () => {
  it("closes a connection without an accepting CONNACK after 5 s", () => {
    const { stream, clock, client } = openConnection();
    clock.advance(4_900);
    expect(stream.calls).toEqual([]);
    clock.advance(500);
    expect(stream.calls).toEqual(["end"]);
    expect(client.silentCount).toBe(0);
  });

  it("closes it also while the client still works on the CONNECT", () => {
    const { stream, clock, core } = openConnection();
    core.onPacket = () => new Promise(() => undefined);
    stream.sink.received(bytesOf(connectPacket(5)));
    clock.advance(5_400);
    expect(stream.calls).toEqual(["end"]);
  });

  it("says silent after 1.5 times the keep alive without a byte [MQTT-3.1.2-22]", async () => {
    const { stream, clock, client } = await connected({ keepAlive: 10 });
    clock.advance(14_000);
    stream.sink.received(pingreq);
    clock.advance(14_900);
    expect(client.silentCount).toBe(0);
    clock.advance(500);
    expect(client.silentCount).toBe(1);
    expect(packetsIn(stream.written).at(-1)).toMatchObject({ type: "disconnect", reasonCode: 0x8d });
  });

  it("waits 1.5 s only with a keep alive of 1 s, though the time for CONNECT is longer", async () => {
    const { clock, client } = await connected({ keepAlive: 1 });
    clock.advance(1_900);
    expect(client.silentCount).toBe(1);
  });

  it("waits for ever without a keep alive", async () => {
    const { stream, clock, client, host } = await connected();
    clock.advance(86_400_000);
    expect([client.silentCount, stream.calls.length, host.deadlines.count]).toEqual([0, 0, 0]);
  });

  it("does not take its own pause for the peer's silence", async () => {
    const { clock, client } = await connected({ keepAlive: 10 });
    client.link.pause(true);
    clock.advance(60_000);
    client.link.pause(false);
    clock.advance(14_000);
    expect(client.silentCount).toBe(0);
    clock.advance(2_000);
    expect(client.silentCount).toBe(1);
  });
});
