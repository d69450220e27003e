import { connect } from "node:net";
import { connectedClient, openClient, packetBytes } from "@weir/testkit";
import { afterEach, describe, expect, it } from "vitest";
import { openTransport } from "../../testing/open-transport.ts";
import type { TransportFixture, TransportFixtureOptions } from "../../testing/open-transport.ts";

const opened: TransportFixture[] = [];

async function listening(options: TransportFixtureOptions = {}): Promise<TransportFixture> {
  const fixture = await openTransport("tcp", options);
  opened.push(fixture);
  return fixture;
}

afterEach(async () => {
  for (const fixture of opened.splice(0)) await fixture.close();
});

describe("listen()", () => {
  it("says what is wrong and what to do when the port is taken", async () => {
    const { port } = await listening();
    await expect(openTransport("tcp", { transport: { port } })).rejects.toThrow(
      `cannot listen on 127.0.0.1 port ${port} (EADDRINUSE): another program listens there: stop it, or choose another port`,
    );
  });

  it("says so when the address is not this machine's", async () => {
    await expect(openTransport("tcp", { transport: { host: "192.0.2.1" } })).rejects.toMatchObject({
      name: "ListenError",
      code: "EADDRNOTAVAIL",
    });
  });
});

describe("behind a proxy", () => {
  const behindProxy: TransportFixtureOptions = { transport: { proxies: ["127.0.0.0/8"] } };

  it.each([
    ["version 1", Buffer.from("PROXY TCP4 192.0.2.7 198.51.100.1 4711 1883\r\n"), "192.0.2.7", 4711],
    [
      "version 2",
      packetBytes("0d0a0d0a000d0a515549540a 21 11 000c c0000207 c6336401 1267 075b"),
      "192.0.2.7",
      4711,
    ],
  ])("a client has the address that the header of %s names", async (_, header, address, port) => {
    const fixture = await listening(behindProxy);
    const client = await openClient(fixture.port);
    client.send(header, client.connectPacket());
    await client.receive("connack");
    expect(fixture.core.last.peer).toEqual({ transport: "tcp", address, port });
    await client.expectSilence();
  });

  it("the header may come byte by byte, and MQTT may follow in its last chunk", async () => {
    const fixture = await listening(behindProxy);
    const client = await openClient(fixture.port);
    for (const byte of Buffer.from("PROXY TCP6 2001:db8::7 ::1 1 2\r")) client.send(Uint8Array.of(byte));
    client.send(Buffer.from("\n"), client.connectPacket(), { type: "pingreq" });
    await client.receive("connack");
    await client.receive("pingresp");
    expect(fixture.core.last.peer.address).toBe("2001:db8::7");
  });

  it("the proxy's own health check has the proxy's address", async () => {
    const fixture = await listening(behindProxy);
    const client = await openClient(fixture.port);
    client.send("0d0a0d0a000d0a515549540a 20 00 0000", client.connectPacket());
    await client.receive("connack");
    expect(fixture.core.last.peer.address).toBe("127.0.0.1");
  });

  it("a connection without the header is closed and counted, and reaches no client", async () => {
    const fixture = await listening(behindProxy);
    const client = await openClient(fixture.port);
    client.send(client.connectPacket());
    await client.closed;
    expect([fixture.host.counters.connectionsRefused, fixture.core.clients.length]).toEqual([1, 0]);
  });

  it("a connection that does not finish the header within 5 s is closed", async () => {
    const fixture = await listening(behindProxy);
    const client = await openClient(fixture.port);
    const arrived = new Promise<void>((resolve) =>
      connect(fixture.port, "127.0.0.1").once("connect", resolve),
    );
    client.send(Buffer.from("PROXY "));
    await arrived;
    while (fixture.clock.pending < 2) await new Promise(setImmediate);
    fixture.clock.advance(5_100);
    await client.closed;
    expect(fixture.host.counters.connectionsRefused).toBe(2);
  });

  it("from an address that is not listed a header is no MQTT", async () => {
    const fixture = await listening({ transport: { proxies: ["192.0.2.0/24"] } });
    const client = await openClient(fixture.port);
    client.send(Buffer.from("PROXY TCP4 192.0.2.7 198.51.100.1 4711 1883\r\n"));
    await client.closed;
    expect(fixture.core.last.refusals.length).toBe(1);
    await connectedClient(fixture.port);
    expect(fixture.core.last.peer.address).toBe("127.0.0.1");
  });

  it("what is in a handshake is cut at close", async () => {
    const fixture = await listening(behindProxy);
    const client = await openClient(fixture.port);
    client.send(Buffer.from("PROXY "));
    while (fixture.clock.pending < 1) await new Promise(setImmediate);
    await fixture.transport.close();
    await client.closed;
  });
});
