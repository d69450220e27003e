import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { connectedClient, makeCertificates, openClient, packetBytes } from "@weir/testkit";
import { afterEach, describe, expect, it } from "vitest";
import { certificates, openTransport } from "../../testing/open-transport.ts";
import type { TransportFixture, TransportFixtureOptions } from "../../testing/open-transport.ts";
import { TlsTransport } from "./tls-transport.ts";

const opened: TransportFixture[] = [];

async function listening(options: TransportFixtureOptions = {}): Promise<TransportFixture> {
  const fixture = await openTransport("tls", options);
  opened.push(fixture);
  return fixture;
}

afterEach(async () => {
  for (const fixture of opened.splice(0)) await fixture.close();
});

const ca = certificates.ca.cert;

describe("client certificates", () => {
  const asksForOne: TransportFixtureOptions = { clientCa: ca };

  it("one of clientCa gives the peer its common name", async () => {
    const { port, core } = await listening(asksForOne);
    const client = await connectedClient(port, { over: "tls", tls: { ca, ...certificates.client } });
    expect(core.last.peer.certificateName).toBe("device-1");
    await client.expectSilence();
  });

  it("none is fine", async () => {
    const { port, core } = await listening(asksForOne);
    await connectedClient(port, { over: "tls", tls: { ca } });
    expect(core.last.peer).not.toHaveProperty("certificateName");
  });

  it("one of another CA ends the connection before MQTT, and is counted", async () => {
    const { port, core, host } = await listening(asksForOne);
    const other = makeCertificates({ caName: "another CA" });
    await expect(connectedClient(port, { over: "tls", tls: { ca, ...other.client } })).rejects.toThrow();
    expect([host.counters.connectionsRefused, core.clients.length]).toEqual([1, 0]);
  });

  it("one of a CA that only has the same name as clientCa ends it as well", async () => {
    const { port, core } = await listening(asksForOne);
    const twin = makeCertificates();
    await expect(connectedClient(port, { over: "tls", tls: { ca, ...twin.client } })).rejects.toThrow();
    expect(core.clients.length).toBe(0);
  });

  it("one that nobody asked for is not looked at", async () => {
    const { port, core } = await listening();
    await connectedClient(port, { over: "tls", tls: { ca, ...certificates.client } });
    expect(core.last.peer).not.toHaveProperty("certificateName");
  });
});

describe("handshakes", () => {
  it("bytes that are no TLS are counted, and others go on", async () => {
    const { port, host } = await listening();
    const client = await openClient(port);
    client.send(client.connectPacket());
    await client.closed;
    expect(host.counters.connectionsRefused).toBe(1);
    await connectedClient(port, { over: "tls", tls: { ca } });
  });

  it("one that is not finished in time is cut", async () => {
    const { port, host } = await listening({ transport: { handshakeTimeoutMs: 50 } });
    const client = await openClient(port);
    await client.closed;
    expect(host.counters.connectionsRefused).toBe(1);
  });

  it("one that goes on is cut at close", async () => {
    const fixture = await listening();
    const socket = connect(fixture.port, "127.0.0.1");
    await connectedClient(fixture.port, { over: "tls", tls: { ca } });
    await fixture.transport.close();
    await new Promise((resolve) => socket.once("close", resolve));
  });

  it("come after the PROXY header", async () => {
    const { port, core } = await listening({ transport: { proxies: ["127.0.0.1"] }, clientCa: ca });
    const socket = connect(port, "127.0.0.1");
    socket.write("PROXY TCP4 192.0.2.7 198.51.100.1 4711 8883\r\n");
    const secure = connectTls({ socket, servername: "localhost", ca, ...certificates.client });
    secure.write(packetBytes("10 0d  0004 4d515454  04 02 0000  0001 78 // CONNECT"));
    await core.until(() => core.clients.length === 1 && core.last.types.includes("connect"));
    expect(core.last.peer).toEqual({
      transport: "tls",
      address: "192.0.2.7",
      port: 4711,
      certificateName: "device-1",
    });
    secure.destroy();
  });
});

describe("credentials", () => {
  it("that cannot be used stop the start with the reason", () => {
    const broken = { cert: certificates.server.cert, key: certificates.client.key };
    expect(() => new TlsTransport({ credentials: broken } as never)).toThrow(/cannot be used: /);
    expect(() => new TlsTransport({ credentials: { cert: "x", key: "y" } } as never)).toThrow(
      /cannot be used: /,
    );
  });

  it("are renewed for the next handshake, while open connections stay", async () => {
    const { port, transport } = await listening();
    const client = await connectedClient(port, { over: "tls", tls: { ca } });
    const renewed = makeCertificates({ caName: "next CA" });
    (transport as TlsTransport).renew(renewed.server);
    await connectedClient(port, { over: "tls", tls: { ca: renewed.ca.cert } });
    await expect(connectedClient(port, { over: "tls", tls: { ca } })).rejects.toThrow();
    expect(() => (transport as TlsTransport).renew({ cert: "x", key: "y" })).toThrow(/cannot be used: /);
    await client.expectSilence();
  });
});
